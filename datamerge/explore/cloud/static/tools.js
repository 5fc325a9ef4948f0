// The bar of tools: what dragging does, and how near one looks.

const TOOLS = [
  ["lasso", "Lasso", icon("M4 9c0-3 3-5 6-5s6 2 6 4.500-3 4.500-6 4.500-4-1-4-2 1-1.500 2-1c2 1 0 5-3 6")],
  ["box", "Box", icon("M3.500 7V3.500H7M10 3.500h1M13 3.500h3.500V7M16.500 9v2M16.500 13v3.500H13M11 16.500H9M7 16.500H3.500V13M3.500 11V9")],
  ["pan", "Move", icon("M10 2.500v15M2.500 10h15M8 4.500l2-2 2 2M8 15.500l2 2 2-2M4.500 8l-2 2 2 2M15.500 8l2 2-2 2")],
];

class Tools {
  constructor(on) {
    this.on = on;
    this.buttons = TOOLS.map(([name, label, drawn]) => this.button(label, drawn, () => this.use(name)));
    const does = [
      ["Zoom in", "M10 4v12M4 10h12", () => on.zoom(1.5)],
      ["Zoom out", "M4 10h12", () => on.zoom(1 / 1.5)],
      ["All in view", "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4", () => on.fit()],
    ].map(([label, d, does]) => this.button(label, icon(d), does));
    this.root = make(
      "div",
      { class: "dm-bar", role: "toolbar", "aria-label": "Map" },
      make("div", { class: "dm-group" }, ...this.buttons),
      make("div", { class: "dm-group" }, ...does),
    );
  }

  button(label, drawn, onclick) {
    return make("button", { "aria-label": label, title: label, onclick }, drawn.cloneNode(true));
  }

  use(name) {
    this.tool = name;
    this.on.tool(name);
    this.buttons.forEach((button, at) => button.setAttribute("aria-pressed", TOOLS[at][0] === name));
  }
}
