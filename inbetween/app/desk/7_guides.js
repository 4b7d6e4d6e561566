// The panel of guides: what to draw, the list of what has been drawn, files and text.

const GUIDE_NAMES = { regions: 'Region', points: 'Points', bones: 'Bone', spacing: 'Spacing' };
const GUIDE_SPACINGS = { even: 'Even', ease_in: 'Ease in', ease_out: 'Ease out', ease_in_out: 'Ease in and out' };
let guidesOpen = false;
const drafts = new Map(); // guides by pair, but for what Python has not answered
let editedOf = null; // the pair that `edited` is of

const guideName = ({ kind, number }) => `${GUIDE_NAMES[kind]} ${number + 1}`;
const hasGuides = (pair) => Object.keys(pair.guides).length > 0;

/** The pair whose guides are shown: the one that is chosen, or the only one. */
function guidedPair() {
  return view.pairs.find((pair) => samePair(pair.pair, pairAlone)) || (view.pairs.length === 1 ? view.pairs[0] : null);
}

function setGuides(guides) {
  act({ do: 'guides', pair: guidedPair().pair, text: JSON.stringify(guides) });
}

async function loadGuides([file]) {
  if (file.size > choices.limits.guides) {
    say(`${file.name} is too long: ${choices.limits.guides} characters of guides are the most that this page takes.`, 'error');
    return;
  }
  act({ do: 'guides', pair: null, text: await file.text() });
}

function saveGuides() {
  const pairs = view.pairs.flatMap((pair, number) => (hasGuides(pair) ? [{ pair: number, ...pair.guides }] : []));
  const address = URL.createObjectURL(new Blob([written({ pairs })], { type: 'application/json' }));
  h('a', { href: address, download: 'guides.json' }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** JSON with each point on one line. */
const written = (values) => JSON.stringify(values, null, 2).replace(/\[\s+(-?[\d.]+),\s+(-?[\d.]+)\s+\]/g, '[$1, $2]');

function hint() {
  const [first] = CLICKS[tool] || [0];
  const later = clicked.length >= first;
  if (tool === 'regions') return lasso ? 'Now draw the path that it travels: drag it, or click points and press Done.' : 'Draw around what moves; loosely will do.';
  if (tool === 'points') return later ? 'Click the same point in the last keyframe, which is shown now.' : 'Click a point in the first keyframe.';
  if (tool === 'bones') return later ? 'Click both again, in the same order, in the last keyframe, which is shown now.' : 'Click the joint that it turns about, then its other end.';
  return Object.keys(edited).length ? 'Drag the handles; the dots show where the drawings lie.' : 'Say how something moves: draw around it, then draw its path.';
}

function toolbar() {
  const button = (kind, label) => h('button', { type: 'button', 'aria-pressed': `${tool === kind}`, data: { key: `tool${kind}` }, onclick: () => useTool(tool === kind ? null : kind) }, label);
  return [
    h('div', { class: 'row wrap tools' },
      button('regions', 'Region and path'), button('points', 'Matched points'), button('bones', 'Bone'),
      lasso && clicked.length > 1 ? h('button', { type: 'button', class: 'primary', data: { key: 'done' }, onclick: finishPath }, 'Done') : null,
      tool ? h('button', { type: 'button', class: 'plain', data: { key: 'cancel' }, onclick: () => useTool(null) }, 'Cancel') : null,
      h('span', { class: 'space' }),
      h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: onionGuides, data: { key: 'onion_guides' }, onchange: (event) => { onionGuides = event.target.checked; paintGuides(); } }), h('span', {}, 'Show the last keyframe'))),
    h('p', { class: 'faint hint', 'aria-live': 'polite' }, hint()),
  ];
}

function guideRow(each) {
  const { kind, number, guide, colour } = each;
  const name = guideName(each);
  const set = (key, value) => {
    if (value === null || value === false) delete guide[key];
    else guide[key] = value;
    setGuides(edited);
  };
  const field = (key, label, unit, times = 1) => h('label', { class: 'field' }, h('span', {}, label),
    h('input', {
      type: 'number', step: 'any', value: guide[key] == null ? '' : guide[key] * times, placeholder: { scale: 100, rotation: 0 }[key] ?? 'auto', 'aria-label': `${name}: ${label}`, data: { key: `${key}${kind}${number}` },
      onchange: (event) => set(key, event.target.value === '' ? null : Number(event.target.value) / times),
    }), h('span', { class: 'faint' }, unit));
  const parts = {
    regions: () => [
      h('select', { 'aria-label': `${name}: spacing`, data: { key: `spacing${kind}${number}` }, onchange: (event) => set('spacing', event.target.value) },
        Object.entries(GUIDE_SPACINGS).map(([key, label]) => h('option', { value: key, selected: key === (guide.spacing || 'even') }, label)),
        Array.isArray(guide.spacing) ? h('option', { selected: true, disabled: true }, 'Its own') : null),
      field('rotation', 'turns', '°'), field('scale', 'grows to', '%', 100),
      h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: guide.behind, data: { key: `behind${number}` }, onchange: (event) => set('behind', event.target.checked) }), h('span', {}, 'behind'))],
    points: () => [field('radius', 'radius', 'px')],
    bones: () => [field('width', 'width', 'px')],
    spacing: () => [h('span', { class: 'faint' }, 'from the file')],
  };
  const remove = () => {
    edited[kind].splice(number, 1);
    setGuides(edited);
  };
  return h('li', { class: 'row wrap' },
    h('span', { class: 'swatch', style: `background: ${colour}` }), h('strong', {}, name), parts[kind](), h('span', { class: 'space' }),
    h('button', { type: 'button', class: 'plain', 'aria-label': `Remove ${name}`, title: `Remove ${name}`, data: { key: `remove${kind}${number}` }, onclick: remove }, '×'));
}

function textField() {
  const area = h('textarea', { rows: 8, spellcheck: 'false', 'aria-label': 'Guides as text', data: { key: 'guide_text' } }, Object.keys(edited).length ? written(edited) : '');
  return [area, h('div', { class: 'row' }, h('button', { type: 'button', data: { key: 'apply' }, onclick: () => act({ do: 'guides', pair: guidedPair().pair, text: area.value }) }, 'Take this text'))];
}

function makeGuides() {
  return h('details', { class: 'panel guides', 'aria-label': 'Guides', ontoggle: (event) => { guidesOpen = event.target.open; renderGuides(); } },
    h('summary', { data: { key: 'guides' } }),
    h('p', { class: 'faint unused' }),
    h('div', { class: 'of-pair' },
      h('div', { class: 'toolbar' }), makeGuideStage(), h('ul', { class: 'list' }),
      h('details', { class: 'as-text' }, h('summary', {}, 'Guides as text'), h('div', { class: 'text' }))),
    h('div', { class: 'row wrap files' }));
}

/** Show the guides of the chosen pair. */
function renderGuides() {
  const place = root.querySelector('.guides');
  const pair = guidedPair();
  const index = view.pairs.indexOf(pair);
  place.hidden = !view.pairs.length;
  const known = pair ? pair.guides : {};
  // the same object, as long as nothing differs: what is shown changes it
  const of = pair ? `${pair.pair}` : null;
  if (of !== editedOf) {
    drafts.set(editedOf, edited);
    [tool, lasso, clicked, stroke, held] = [null, null, [], null, null];
  }
  if (!waiting.length) drafts.clear();
  if (of !== editedOf) edited = drafts.get(of) || structuredClone(known);
  else if (!waiting.length && !held && JSON.stringify(known) !== JSON.stringify(edited)) edited = structuredClone(known);
  editedOf = of;
  const count = guidesInOrder().length;
  place.querySelector('summary').textContent = pair ? `Guides from ${index + 1} to ${index + 2}${count ? `: ${count}` : ''}` : 'Guides';
  const unused = place.querySelector('.unused');
  unused.hidden = Boolean(pair && !pair.split);
  unused.textContent = pair ? 'A drawing between these two keyframes is your own: guides are not used here until you take it away.' : 'Guides say how things move. Press the number between two keyframes to draw some there.';
  unused.classList.toggle('warned', Boolean(pair && count));
  place.querySelector('.of-pair').hidden = !pair;
  fill(place.querySelector('.files'), view.pairs, () => [
    h('span', { class: 'faint' }, 'All guides'), fileButton('Load a file', 'load_guides', false, loadGuides),
    h('button', { type: 'button', disabled: !view.pairs.some(hasGuides), data: { key: 'save_guides' }, onclick: saveGuides }, 'Save as a file')]);
  if (!pair || !guidesOpen) return;
  fill(place.querySelector('.toolbar'), [tool, lasso, clicked, edited, onionGuides], toolbar);
  fill(place.querySelector('.list'), [pair.pair, edited], () => guidesInOrder().map(guideRow));
  fill(place.querySelector('.text'), [pair.pair, edited], textField);
  paintGuides();
}
