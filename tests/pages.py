"""HTML read back, to see which elements and attributes it is made of."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br", "hr", "img", "input", "path", "rect", "line", "circle", "wbr"}

# Everything a data set says that would like to be more than text.
HOSTILE = [
    "<script>document.title = 'hit'</script>",
    "<img src=x onerror=\"document.title='hit'\">",
    "</textarea></title></style></script><svg onload=alert(1)>",
    "'\"><b onmouseover=alert(1)>x</b>",
    "[x](javascript:alert(1)) <a href=javascript:alert(1)>y</a>",
    "<!-- --> <![CDATA[ ]]> <?php ?> &lt;b&gt; &#60; &amp",
    "```html\n<script>document.title = 'hit'</script>\n```\n<iframe srcdoc='<p>'>",
    "a\u202eb\u2066c\u200bd\ufeffe\x00f\x1b[31mg\x08h\u2028i\U000e0041j",
    "{{7*7}} ${7*7} %s %(x)s {0} \\u003cscript\\u003e",
    "]]></script><script>/*",
]


class Page(HTMLParser):
    """The elements of a piece of HTML: names, attributes, the texts, and whether they nest."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.others: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID, tag
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)

    def handle_comment(self, data):
        self.others.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment

    @property
    def shape(self) -> set[tuple[str, str, str | None]]:
        """Each element with each of its attributes, numbers aside."""
        found = {(tag, "", None) for tag, _ in self.elements}
        for tag, attributes in self.elements:
            for name, value in attributes.items():
                number = value is None or not value.strip("-0123456789. MCVZmh")
                found.add((tag, name, None if number else value))
        return found

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def named(self, name: str) -> int:
        """How many elements of this name there are."""
        return sum(tag == name for tag, _ in self.elements)


# Text and what is behind it: the contrast each pair has, the least first.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const over = (upper, lower) =>
    [0, 1, 2].map((at) => (upper[at] * upper[3] + lower[at] * (255 - upper[3])) / 255);
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const colour = rgba(getComputedStyle(element).backgroundColor);
    return colour[3] === 255 ? colour.slice(0, 3) : over(colour, ground(element.parentElement));
  };
  const found = [];
  for (const element of document.querySelectorAll(":is(.dm-explore, .dm-widget) *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    const skipped = ["STYLE", "SCRIPT", "OPTION", "svg", "title"].includes(element.tagName);
    if (!own || skipped || !element.checkVisibility({ opacityProperty: true })) continue;
    if (element.closest(":disabled")) continue;  // what cannot be used need not stand out
    const style = getComputedStyle(element);
    const behind = ground(element);
    const ink = over(rgba(element instanceof SVGElement ? style.fill : style.color), behind);
    const [a, b] = [light(ink), light(behind)].sort((x, y) => y - x);
    const name = element.className?.baseVal ?? element.className;
    found.push([(a + 0.05) / (b + 0.05), `${element.tagName}.${name}: ${element.textContent.slice(0, 40)}`]);
  }
  return found.sort((x, y) => x[0] - y[0]);
}"""  # noqa: E501
