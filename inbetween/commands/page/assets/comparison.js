// The report of `compare`: results, paired differences, windows that play, distributions and confidence.

const names = data.methods.map((line) => line.method);
const metricNames = Object.keys(data.metrics);
const state = new Shared({
  metric: data.main,
  judged: Math.max(names.indexOf(data.reference), 0), // index of the method whose scores order windows
  hidden: new Set(), // indices of methods that are filtered out
});

const arrow = (metric) => `${metric}\u00a0${data.metrics[metric].higher ? "↑" : "↓"}`;
const digitsOf = (metric) => data.metrics[metric].digits;
const scoresOf = (metric, method) => data.scores[metric][method];
const shownMethods = () => names.map((_, place) => place).filter((place) => !state.values.hidden.has(place));

/** A select of the metric that all sections share. */
function metricPicker() {
  const label = picker(
    "Metric",
    metricNames.map((one) => [one, arrow(one)]),
    state.values.metric,
    (metric) => state.set({ metric }),
  );
  state.listen(({ metric }) => (label.querySelector("select").value = metric));
  return label;
}

/** Buttons that filter methods; one stays. */
function methodFilter() {
  const buttons = names.map((name, place) => h("button", { type: "button", click: () => toggle(place) }, name));
  function toggle(place) {
    const hidden = new Set(state.values.hidden);
    if (!hidden.delete(place)) hidden.add(place);
    if (hidden.size < names.length) state.set({ hidden });
  }
  state.listen(({ hidden }) =>
    buttons.forEach((button, place) => button.setAttribute("aria-pressed", !hidden.has(place))),
  );
  return h("div", { class: "chips", role: "group", "aria-label": "Methods shown" }, buttons);
}

function resultsSection() {
  const columns = [{ label: "method", text: true, value: (row) => row.method, cell: (row) => row.method }];
  for (const metric of metricNames) {
    const found = (row) => row.metrics[metric];
    const range = rangeOf(data.methods.map(found).filter(Boolean));
    const digits = digitsOf(metric);
    columns.push({
      label: arrow(metric),
      down: data.metrics[metric].higher,
      value: (row) => found(row)?.mean,
      cell: (row) =>
        found(row)
          ? [
              h(
                "span",
                { class: data.best[metric] === row.method ? "best" : null },
                fixed(found(row).mean, digits),
              ),
              h("small", {}, `${fixed(found(row).low, digits)}–${fixed(found(row).high, digits)}`),
              intervalDrawing(found(row), range),
            ]
          : "–",
    });
  }
  columns.push({
    label: "s/frame",
    value: (row) => row.seconds_per_frame,
    cell: (row) => fixed(row.seconds_per_frame, 4),
  });
  const order = 1 + metricNames.indexOf(data.main);
  return section(
    "results",
    "Results",
    null,
    sortableTable({ columns, rows: data.methods, order, caption: "Mean of each metric by method" }),
    h(
      "p",
      { class: "note" },
      "Mean, and its 95 % bootstrap interval over animations. Bold: the best, where the paired differences to all",
      " other methods have intervals without zero. Click a head to sort.",
    ),
  );
}

function oneSidedSection() {
  const lines = data.methods.filter((line) => Object.keys(line.one_sided.bins).length);
  if (!lines.length) return null;
  const { metric, reference } = lines[0].one_sided;
  const digits = digitsOf(metric);
  const bins = Object.keys(lines[0].one_sided.bins);
  const columns = [{ label: "method", text: true, value: (row) => row.method, cell: (row) => row.method }];
  bins.forEach((bin) =>
    columns.push({
      label: `${bin} (n = ${lines[0].one_sided.bins[bin].windows})`,
      down: data.metrics[metric].higher,
      value: (row) => row.one_sided.bins[bin].mean,
      cell: (row) => {
        const { mean: own, difference: gap } = row.one_sided.bins[bin];
        const told = gap && [gap.mean, gap.low, gap.high].map((value) => signed(value, digits));
        return [fixed(own, digits), told ? h("small", {}, `${told[0]} [${told[1]}, ${told[2]}]`) : null];
      },
    }),
  );
  return section(
    "one-sided",
    "What one keyframe shows",
    null,
    sortableTable({
      columns,
      rows: lines,
      caption: "Scores by the share of the in-between that one keyframe shows",
    }),
    h(
      "p",
      { class: "note" },
      `${arrow(metric)} by the share of the in-between that at most one keyframe shows; below it the paired`,
      ` difference to ${reference}, with its 95 % interval.`,
    ),
  );
}

function differencesSection() {
  if (names.length < 2) return null;
  const place = h("div");
  const shared = new Shared({ other: names.includes(data.reference) ? data.reference : names[0] });
  const others = picker("Compared with", names, shared.values.other, (other) => shared.set({ other }));
  function draw() {
    const { metric } = state.values;
    const { other } = shared.values;
    const digits = digitsOf(metric);
    const rows = data.differences.filter((row) => row.metric === metric).flatMap((row) => against(row, other));
    const range = rangeOf([...rows, { low: 0, high: 0 }]);
    const numbers = (row) => [row.mean, row.low, row.high].map((value) => signed(value, digits));
    const columns = [
      { label: "method", text: true, value: (row) => row.method, cell: (row) => row.method },
      {
        label: `difference of ${arrow(metric)}`,
        down: data.metrics[metric].higher,
        value: (row) => row.mean,
        cell: (row) => h("span", { class: row.low > 0 || row.high < 0 ? "best" : null }, numbers(row)[0]),
      },
      { label: "95 % interval", value: (row) => row.low, cell: (row) => numbers(row).slice(1).join(" to ") },
      { label: "", value: (row) => row.mean, cell: (row) => intervalDrawing(row, range, 220) },
      {
        label: "better in",
        down: true,
        value: (row) => row.better,
        cell: (row) => `${Math.round(100 * row.better)} % of ${row.n}`,
      },
    ];
    place.replaceChildren(
      rows.length
        ? sortableTable({ columns, rows, order: 1, caption: `Paired differences to ${other}` })
        : h("p", { class: "note" }, `${metric} is not defined for ${other}.`),
    );
  }
  shared.listen(draw);
  state.listen((_, changes) => "metric" in changes && draw());
  const note = h(
    "p",
    { class: "note" },
    "Method minus the chosen one, window by window; bold where the interval has no zero.",
  );
  return section("differences", "Paired differences", [metricPicker(), others], place, note);
}

/** A difference seen from its method if it is to `other`, or turned round if it is of `other`. */
function against(row, other) {
  if (row.other === other) return [row];
  if (row.method !== other) return [];
  const turned = { ...row, method: row.other, other, mean: -row.mean, low: -row.high, high: -row.low };
  return [{ ...turned, better: row.worse }];
}

function distributionsSection() {
  const place = h("div", { class: "charts" });
  state.listen(({ metric }) => {
    const series = shownMethods().map((method) => ({
      name: names[method],
      values: scoresOf(metric, method).filter(isNumber),
    }));
    place.replaceChildren(
      ...histograms(
        series.filter((one) => one.values.length),
        digitsOf(metric),
      ),
    );
  });
  const note = h("p", { class: "note" }, "Windows by their score, all on one scale; the dashed line is the mean.");
  return section("distributions", "Distributions", metricPicker(), methodFilter(), note, place);
}

function windowsSection(open) {
  const place = h("div");
  const players = new Map(data.players.map((player, number) => [player.index, number]));
  state.listen(({ metric }) => {
    const digits = digitsOf(metric);
    const { higher } = data.metrics[metric];
    const methods = shownMethods();
    const rows = data.windows.map((one, number) => {
      const scores = methods.map((method) => scoresOf(metric, method)[number]);
      const defined = scores.filter(isNumber);
      return { ...one, scores, best: higher ? Math.max(...defined) : Math.min(...defined) };
    });
    const columns = [
      { label: "window", text: true, value: (row) => row.name, cell: windowName },
      { label: "one-sided", down: true, value: (row) => row.one_sided, cell: (row) => percent(row.one_sided) },
      ...methods.map((method, column) => ({
        label: names[method],
        down: !higher,
        value: (row) => row.scores[column],
        cell: (row) => {
          const score = row.scores[column];
          return h(
            "span",
            { class: score === row.best && methods.length > 1 ? "best" : null },
            fixed(score, digits),
          );
        },
      })),
    ];
    const order = 2 + Math.max(methods.indexOf(state.values.judged), 0);
    const caption = `${metric} of each window`;
    place.replaceChildren(sortableTable({ columns, rows, order, limit: 25, caption }));
  });

  function windowName(row) {
    const number = players.get(row.index);
    if (number === undefined) return row.name;
    const attributes = { type: "button", class: "open", title: "Play this window", click: () => open(number) };
    return h("button", attributes, row.name);
  }

  function percent(share) {
    return isNumber(share) ? `${(100 * share).toFixed(1)} %` : "–";
  }

  const note = h(
    "p",
    { class: "note" },
    "Worst first; the best method of each window is bold. Links play a window.",
  );
  return section("windows", "Windows", metricPicker(), methodFilter(), note, place);
}
