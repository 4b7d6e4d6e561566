// Tables whose columns sort, and small drawings of intervals in their cells.

/**
 * A table sorted by a click on a column's head.
 *
 * Columns have a `label` (one without does not sort), a `value` of a row to sort by (null comes last), what a
 * `cell` shows, `text` if it is no number, and `down` if the largest value comes first. `order` is the index of
 * the first order's column.
 */
function sortableTable({ columns, rows, order = 0, limit = Infinity, caption }) {
  let sorted = { column: order, down: Boolean(columns[order].down) };
  let shown = limit;
  const heads = columns.map((column, place) =>
    h(
      "th",
      { scope: "col", class: column.text ? "text" : null },
      column.label && h("button", { type: "button", click: () => sortBy(place) }, breakable(column.label)),
    ),
  );
  const body = h("tbody");
  const more = h("button", { type: "button", class: "more", click: showAll });

  function sortBy(place) {
    const same = sorted.column === place;
    sorted = { column: place, down: same ? !sorted.down : Boolean(columns[place].down) };
    draw();
  }

  function showAll() {
    shown = Infinity;
    draw();
  }

  function compared(a, b) {
    const [x, y] = [a, b].map(columns[sorted.column].value);
    if (x === null || y === null || x === undefined || y === undefined) return (x ?? null) === null ? 1 : -1;
    const found = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
    return sorted.down ? -found : found;
  }

  function draw() {
    heads.forEach((head, place) => {
      const way = sorted.down ? "descending" : "ascending";
      head.setAttribute("aria-sort", place === sorted.column ? way : "none");
    });
    const ordered = [...rows].sort(compared);
    body.replaceChildren(
      ...ordered.slice(0, shown).map((row) =>
        h(
          "tr",
          {},
          columns.map((column, place) => {
            const attributes = place ? { class: column.text ? "text" : null } : { scope: "row" };
            return h(place ? "td" : "th", attributes, column.cell(row));
          }),
        ),
      ),
    );
    more.hidden = ordered.length <= shown;
    more.textContent = `Show all ${ordered.length}`;
  }

  draw();
  const table = h("table", { "aria-label": caption }, h("thead", {}, h("tr", {}, heads)), body);
  return h(
    "div",
    {},
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table),
    more,
  );
}

/** A dot with its interval on a scale from `low` to `high`; a line marks zero if it is on the scale. */
function intervalDrawing(found, [low, high], width = 92) {
  const span = high - low || 1;
  const x = (value) => (4 + ((value - low) / span) * (width - 8)).toFixed(1);
  const zero = low < 0 && high > 0;
  return svg(
    "svg",
    { class: "interval", width, height: 10, "aria-hidden": "true" },
    zero ? svg("line", { class: "zero", x1: x(0), x2: x(0), y1: 0, y2: 10 }) : null,
    svg("line", { x1: x(found.low), x2: x(found.high), y1: 5, y2: 5 }),
    svg("circle", { cx: x(found.mean), cy: 5, r: 3 }),
  );
}

function rangeOf(intervals) {
  return [Math.min(...intervals.map((one) => one.low)), Math.max(...intervals.map((one) => one.high))];
}
