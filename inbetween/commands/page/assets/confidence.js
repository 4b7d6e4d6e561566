// What methods said about their error, and what it was.

/** For each method that predicts its error: calibration by frame, and risk over coverage by window. */
function confidenceSection() {
  const certain = names.map((_, method) => method).filter((method) => data.frames[method]);
  if (!certain.length) return null;
  const blocks = certain.map((method) => {
    const place = h("div", { class: "charts wide" });
    state.listen((_, changes) => "metric" in changes && place.replaceChildren(...charts(method)));
    const labels = data.methods[method].selective?.review;
    return h(
      "div",
      { class: "certain" },
      h("h3", {}, names[method]),
      labels ? h("p", { class: "note" }, reviewed(data.methods[method].selective)) : null,
      place,
    );
  });
  const legend = h(
    "p",
    { class: "legend" },
    ["easy", "check", "redraw"].map((label) => h("span", { class: label }, h("b"), label)),
    h("span", {}, "Line: means of ten equal parts. Dashes: predicted = true."),
  );
  return section("confidence", "Confidence and error", metricPicker(), legend, blocks);
}

function charts(method) {
  const { predicted, errors, labels } = data.frames[method];
  const { metric } = state.values;
  const scores = scoresOf(metric, method);
  const expected = data.expected[method];
  const defined = scores.map((_, place) => place).filter((place) => isNumber(scores[place]));
  const caption = (text) => h("figcaption", { class: "whole" }, text);
  return [
    h(
      "figure",
      {},
      calibration(names[method], predicted, errors, labels),
      caption("Each frame: its true mean absolute error over the one that the method predicted"),
    ),
    defined.length
      ? h(
          "figure",
          {},
          riskCoverage(
            names[method],
            defined.map((place) => scores[place]),
            defined.map((place) => expected[place]),
            metric,
          ),
          caption(`Mean ${arrow(metric)} of the windows that the method is surest of; dashes: of all`),
        )
      : null,
  ].filter(Boolean);
}

function reviewed(selective) {
  const digits = digitsOf(selective.metric);
  const parts = Object.entries(selective.review).map(
    ([label, found]) => `${label} ${fixed(found.mean, digits)} (${plural(found.windows, "window")})`,
  );
  const areas = `AURC ${fixed(selective.aurc, 4)}, excess AURC ${fixed(selective.excess_aurc, 4)}`;
  return `${selective.metric} by review label: ${parts.join(", ")}. ${areas}.`;
}
