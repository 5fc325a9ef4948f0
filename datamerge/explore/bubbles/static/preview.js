(() => {
  "use strict";
  const PAGE = 10;

  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  /* A labelled choice among the names found in the rows; null where there is nothing to choose. */
  const choice = (label, rows, attribute, name, unnamed) => {
    const found = new Map();
    for (const row of rows) {
      const key = row.dataset[attribute];
      const held = found.get(key) ?? { text: key === "0" ? unnamed : name(row), rows: 0 };
      found.set(key, { ...held, rows: held.rows + 1 });
    }
    if (found.size < 2) return null;
    const all = make("option", { value: "", textContent: `all (${rows.length})` });
    const options = [...found].map(([key, { text, rows: count }]) =>
      make("option", { value: key, textContent: `${text} (${count})` }));
    const select = make("select", {}, all, ...options);
    return { select, label: make("label", {}, make("span", { textContent: label }), select) };
  };

  /* Marks what was searched for without touching the rows, where the browser can. */
  const highlight = (rows, words) => {
    if (!globalThis.CSS?.highlights) return;
    CSS.highlights.delete("dm-found");
    if (!words) return;
    const ranges = [];
    for (const row of rows) {
      const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const text = walker.currentNode.data.toLowerCase();
        if (text.length !== walker.currentNode.data.length) continue;
        for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + words.length)) {
          const range = new Range();
          range.setStart(walker.currentNode, at);
          range.setEnd(walker.currentNode, at + words.length);
          ranges.push(range);
          if (range.startContainer.parentElement.closest("details:not([open])")) {
            range.startContainer.parentElement.closest("details").open = true;
          }
        }
      }
    }
    CSS.highlights.set("dm-found", new Highlight(...ranges));
  };

  const start = (preview) => {
    preview.dataset.ready = "";
    const list = preview.querySelector(".dm-rows");
    const rows = [...list.querySelectorAll(".dm-row")];
    if (rows.length < 2) return;
    list.replaceChildren(...rows);
    const texts = rows.map((row) => row.textContent.toLowerCase());
    let page = 0;

    const words = make("input", { type: "search", placeholder: "words in a row" });
    const sources = choice("Source", rows, "source",
      (row) => row.querySelector(".dm-source")?.textContent ?? "…", "none");
    const reasons = choice("Removed for", rows, "reason",
      (row) => row.querySelector(".dm-reason")?.textContent ?? "…", "nothing: stays");
    const status = make("p", { className: "dm-status" });
    status.setAttribute("role", "status");
    const number = make("span", { className: "dm-status" });
    const before = make("button", { type: "button", textContent: "Previous" });
    const after = make("button", { type: "button", textContent: "Next" });

    const isShown = (row, at) =>
      (!sources?.select.value || row.dataset.source === sources.select.value) &&
      (!reasons?.select.value || row.dataset.reason === reasons.select.value) &&
      texts[at].includes(words.value.trim().toLowerCase());

    const show = () => {
      const found = rows.filter(isShown);
      const last = Math.max(Math.ceil(found.length / PAGE) - 1, 0);
      page = Math.min(Math.max(page, 0), last);
      const here = found.slice(page * PAGE, (page + 1) * PAGE);
      for (const row of rows) row.hidden = !here.includes(row);
      highlight(here, words.value.trim().toLowerCase());
      const of = found.length === rows.length ? "" : `, of ${rows.length} drawn`;
      status.textContent = found.length
        ? `Rows ${page * PAGE + 1} to ${page * PAGE + here.length} of ${found.length}${of}`
        : "No row is as asked for.";
      number.textContent = `Page ${page + 1} of ${last + 1}`;
      /* Not `disabled`: that would take the focus away from whoever pressed the button. */
      before.setAttribute("aria-disabled", String(page === 0));
      after.setAttribute("aria-disabled", String(page === last));
    };
    const turn = (by) => () => {
      page += by;
      show();
      tools.scrollIntoView({ block: "nearest" });
    };
    const again = () => {
      page = 0;
      show();
    };

    before.addEventListener("click", turn(-1));
    after.addEventListener("click", turn(1));
    words.addEventListener("input", again);
    for (const each of [sources, reasons]) each?.select.addEventListener("change", again);
    const controls = [make("label", {}, make("span", { textContent: "Search" }), words)];
    for (const each of [sources, reasons]) if (each) controls.push(each.label);
    const tools = make("div", { className: "dm-tools" }, ...controls);
    tools.setAttribute("role", "search");
    const pages = make("nav", { className: "dm-pages" }, before, number, after);
    pages.setAttribute("aria-label", "Pages of rows");
    /* JupyterLab takes arrow keys and letters for itself unless each control says no. */
    for (const control of [words, sources?.select, reasons?.select, before, after]) {
      control?.setAttribute("data-lm-suppress-shortcuts", "true");
    }
    list.before(...(rows.length > 2 ? [tools, status] : []));
    if (rows.length > PAGE) list.after(pages);
    show();
  };

  document.querySelectorAll(".dm-preview:not([data-ready])").forEach(start);
})();
