// The report of `audit`: drawings that are in two splits, and what a method draws beside what it was trained on.

/** An image with what it is and its name, of which the end is shown. */
function picture(source, text, name) {
  const end = name.split("/").slice(-4).join("/");
  return h(
    "figure",
    {},
    h("img", { src: source, alt: `${text}: ${name}`, loading: "lazy" }),
    h("figcaption", { title: name }, h("span", {}, text), h("span", {}, breakable(end))),
  );
}

function copiesSection() {
  const rows = data.pairings;
  const columns = [
    {
      label: "compared",
      text: true,
      value: (row) => row.held_out,
      cell: (row) => `${row.held_out} with ${row.train}`,
    },
    { label: "frames", down: true, value: (row) => row.frames, cell: (row) => row.frames.toLocaleString("en") },
    {
      label: "copies",
      down: true,
      value: (row) => row.copies,
      cell: (row) => h("span", { class: row.copies ? "best" : null }, row.copies),
    },
    { label: "of these", text: true, value: (row) => row.kinds, cell: (row) => row.kinds || "–" },
  ];
  const pairs = data.copies.map((pair) =>
    h(
      "article",
      { class: "pair" },
      h(
        "div",
        {},
        picture(pair.images[0], pair.held_out, pair.frame),
        picture(pair.images[1], pair.train, pair.copy),
      ),
      h("p", { class: "note" }, `distance ${fixed(pair.distance, 4)} · ${pair.kind}`),
    ),
  );
  return section(
    "copies",
    "Copies across splits",
    null,
    sortableTable({ columns, rows, order: 2, caption: "Copies by splits" }),
    h("p", { class: "note" }, data.measured),
    pairs.length ? h("div", { class: "pairs" }, pairs) : h("p", { class: "lead" }, "No drawing is in two splits."),
  );
}

function memorySection() {
  if (!data.memory) return null;
  const { verdict, shares, windows } = data.memory;
  // shares are on one scale; the attraction has its own, around 1
  const percent = shares.filter((share) => share.percent);
  const scaleOf = (row) => rangeOf(row.percent ? percent : [row, { low: 0.9, high: 1.1 }]);
  const written = (row, value) => (row.percent ? `${Math.round(100 * value)} %` : fixed(value, 2));
  const told = (row) => [row.mean, row.low, row.high].map((value) => written(row, value));
  const columns = [
    { label: "", text: true, value: (row) => row.name, cell: (row) => row.name },
    { label: "mean", down: true, value: (row) => row.mean, cell: (row) => told(row)[0] },
    { label: "95 % interval", value: (row) => row.low, cell: (row) => told(row).slice(1).join(" to ") },
    {
      label: "",
      value: (row) => row.mean,
      cell: (row) => intervalDrawing(row, scaleOf(row), 220),
    },
  ];
  const shown = windows.map((one) =>
    h(
      "article",
      { class: "pair" },
      h(
        "div",
        {},
        picture(one.images[0], "drawn", one.window),
        picture(one.images[1], "true", one.animation),
        picture(one.images[2], "nearest in train", one.nearest),
      ),
      h("p", { class: "note" }, `distance to train: drawn ${fixed(one.drawn, 4)}, true ${fixed(one.true, 4)}`),
    ),
  );
  return section(
    "memory",
    "Is it memory?",
    null,
    h("p", { class: "lead" }, verdict),
    sortableTable({ columns, rows: shares, order: 0, caption: "Nearness to training and held-out drawings" }),
    h("p", { class: "note" }, "Below, the windows whose drawn in-between is most like training, first the most."),
    h("div", { class: "pairs" }, shown),
  );
}

const sections = [copiesSection(), memorySection()].filter(Boolean);
show(opening("Audit", data.lead, sections, origins()), ...sections);
document.getElementById("page").dataset.ready = "audit";
