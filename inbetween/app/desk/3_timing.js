// Timing: how many drawings, and the spacing chart whose points are dragged.

const SPACINGS = { even: 'Even', ease_in: 'Ease in', ease_out: 'Ease out', ease_in_out: 'Ease in and out', halves: 'Halves' };
const NEAREST = 0.005; // between two points

function shownTiming() {
  const own = view.pairs.find((pair) => samePair(pair.pair, pairAlone));
  return own ? own.timing : view.timing;
}

function setTiming(timing) {
  act({ do: 'timing', pair: pairAlone, ...timing });
}

/** The chart: a point per drawing on the way from one keyframe to the next. */
function chart(t, names) {
  const now = [...t];
  const track = h('div', { class: 'track' });
  const points = t.map((_, number) => {
    const point = h('div', {
      class: 'point', role: 'slider', tabindex: 0, 'aria-label': `Drawing ${number + 1} of ${t.length}`,
      'aria-valuemin': 0, 'aria-valuemax': 100, data: { key: `point${number}` },
    });
    const go = (value) => {
      const low = number ? now[number - 1] : 0;
      const high = number < t.length - 1 ? now[number + 1] : 1;
      now[number] = clamp(value, low + NEAREST, high - NEAREST);
      show(number);
    };
    point.addEventListener('keydown', (event) => {
      const step = event.shiftKey ? 0.05 : 0.01;
      const by = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      go(now[number] + by);
      setTiming({ t: now });
    });
    point.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      point.focus();
      point.setPointerCapture(event.pointerId);
      point.classList.add('held');
    });
    point.addEventListener('pointermove', (event) => {
      if (!point.classList.contains('held')) return;
      const box = track.getBoundingClientRect();
      go((event.clientX - box.left) / box.width);
    });
    const released = () => {
      if (!point.classList.contains('held')) return;
      point.classList.remove('held');
      if (now[number] !== t[number]) setTiming({ t: now });
    };
    point.addEventListener('pointerup', released);
    point.addEventListener('pointercancel', released);
    return point;
  });
  const inputs = t.map((_, number) =>
    h('input', {
      type: 'number', min: 0.1, max: 99.9, step: 0.1, 'aria-label': `Position of drawing ${number + 1} in per cent`, data: { key: `position${number}` },
      onchange: (event) => {
        const values = [...now];
        values[number] = Number(event.target.value) / 100;
        setTiming({ t: values });
      },
    }));
  function show(number) {
    const percent = now[number] * 100;
    points[number].style.left = `${percent}%`;
    points[number].title = `${percent.toFixed(1)} %`;
    points[number].setAttribute('aria-valuenow', percent.toFixed(1));
    points[number].setAttribute('aria-valuetext', `${percent.toFixed(1)} per cent of the way`);
    inputs[number].value = percent.toFixed(1);
  }
  now.forEach((_, number) => show(number));
  track.append(...points);
  return [
    h('div', { class: 'chart', role: 'group', 'aria-label': 'Spacing chart: drag the points, or move them with the arrow keys' },
      h('span', { class: 'end' }, names[0]), track, h('span', { class: 'end' }, names[1])),
    h('details', { class: 'positions', open: positionsOpen, ontoggle: (event) => { positionsOpen = event.target.open; } },
      h('summary', { data: { key: 'positions' } }, 'Positions in per cent'),
      h('div', { class: 'row wrap' }, inputs)),
  ];
}
let positionsOpen = false;

function renderTiming(place) {
  const { t, spacing } = shownTiming();
  const index = view.pairs.findIndex((pair) => samePair(pair.pair, pairAlone));
  const alone = index >= 0 && view.pairs[index].alone;
  fill(place, [t, spacing, index, alone, view.hold, view.fps], () => {
    const count = h('output', {}, `${t.length}`);
    const choice = (name, key, label, chosen, on) =>
      h('label', { class: 'choice' },
        h('input', { type: 'radio', name, checked: chosen, data: { key: `${name}${key}` }, onchange: on }), h('span', {}, label));
    return [
      h('div', { class: 'row head' },
        h('h2', {}, index < 0 ? 'Timing' : `Timing from ${index + 1} to ${index + 2}`),
        h('span', { class: 'space' }),
        alone ? h('button', { type: 'button', class: 'plain', data: { key: 'as_all' }, onclick: () => act({ do: 'timing_of_all', pair: pairAlone }) }, 'As all') : null,
        index >= 0 ? h('button', { type: 'button', class: 'plain', data: { key: 'all' }, onclick: () => { pairAlone = null; useTool(null); render(); } }, 'Back to all') : null),
      h('label', { class: 'line' }, h('span', {}, 'Drawings between'), count),
      h('input', {
        type: 'range', min: 1, max: Math.max(24, t.length), value: t.length, 'aria-label': 'Drawings between two keyframes', data: { key: 'between' },
        oninput: (event) => { count.textContent = event.target.value; },
        onchange: (event) => setTiming({ between: Number(event.target.value) }),
      }),
      h('fieldset', { class: 'choices' }, h('legend', {}, 'Spacing'),
        choices.spacings.map((name) => choice('spacing', name, SPACINGS[name] || name, spacing === name, () => setTiming({ spacing: name }))),
        spacing ? null : h('label', { class: 'choice' }, h('input', { type: 'radio', name: 'spacing', checked: true }), h('span', {}, 'Your own'))),
      chart(t, index < 0 ? ['A', 'B'] : [`${index + 1}`, `${index + 2}`]),
      h('fieldset', { class: 'choices' }, h('legend', {}, 'Hold'),
        [['On ones', 1], ['On twos', 2], ['On threes', 3]].map(([label, hold]) =>
          choice('hold', hold, label, view.hold === hold, () => act({ do: 'play', hold })))),
      h('label', { class: 'line' }, h('span', {}, 'Frames a second'),
        h('input', {
          type: 'number', min: 1, max: choices.limits.fps, step: 1, value: view.fps, data: { key: 'fps' },
          onchange: (event) => act({ do: 'play', fps: Number(event.target.value) || 12 }),
        })),
    ];
  });
}

function renderStyle(place) {
  fill(place, [view.style], () => {
    const { method, candidates, palette, cuts, arcs } = view.style;
    const set = (change) => act({ do: 'style', ...change });
    const select = (key, label, options, value, on) =>
      h('label', { class: 'line' }, h('span', {}, label),
        h('select', { data: { key }, onchange: (event) => on(event.target.value) },
          Object.entries(options).map(([name, text]) => h('option', { value: name, selected: name === `${value}` }, text))));
    const check = (key, label, on, changed) =>
      h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: on, data: { key }, onchange: (event) => changed(event.target.checked) }), h('span', {}, label));
    return [
      select('method', 'Method', choices.methods, method, (value) => set({ method: value })),
      select('candidates', 'Candidates of each drawing', { 1: '1', 2: '2', 3: '3' }, candidates, (value) => set({ candidates: Number(value) })),
      check('palette', 'Keep to the flat colours of the keyframes', palette === 'keep', (on) => set({ palette: on ? 'keep' : 'none' })),
      check('cuts', 'Draw across cuts, fades and flashes', cuts === 'interpolate', (on) => set({ cuts: on ? 'interpolate' : 'repeat' })),
      check('arcs', 'Let motion run through the keyframes', arcs, (on) => set({ arcs: on })),
    ];
  });
}
