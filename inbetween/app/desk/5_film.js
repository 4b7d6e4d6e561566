// The film: every drawing with what to do about it; and what can be done with the chosen one.

const REVIEWS = { easy: 'easy', check: 'check', redraw: 'redraw' };
const ADVICE = {
  easy: 'Most likely right.',
  check: 'Have a look: something may be off.',
  redraw: 'Most likely wrong: draw it yourself, or add a keyframe here.',
};

async function replaceBy(files, frame) {
  const [path] = await uploaded(files.slice(0, 1));
  if (path) act({ do: 'replace', pair: frame.pair, place: frame.place, path });
}

function badge(frame) {
  if (frame.place === null) return h('span', { class: 'badge key' }, 'key');
  if (frame.own) return h('span', { class: 'badge own' }, 'yours');
  if (frame.held) return h('span', { class: 'badge' }, 'held');
  if (!frame.picture) return h('span', { class: 'badge' }, 'to draw');
  return frame.review ? h('span', { class: `badge ${frame.review}` }, REVIEWS[frame.review]) : h('span', { class: 'badge' }, 'drawn');
}

function filmCell(frame, index) {
  const cell = h('button', {
    type: 'button', class: `cell${frame.place === null ? ' key' : ''}`, title: frameName(frame, index), 'aria-label': frameName(frame, index), data: { key: `cell${index}` },
    onclick: () => { setPlaying(false); go(index); },
    onkeydown: (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      step(at + by);
      const next = root.querySelectorAll('.film .cell')[at];
      next.focus();
    },
  }, frame.picture ? h('img', { src: small(frame.picture), alt: '', loading: 'lazy' }) : h('span', { class: 'blank' }), h('span', { class: 'under' }, `${index + 1}`, badge(frame)));
  return frame.place === null ? cell : takesFiles(cell, (files) => replaceBy(files, frame));
}

function renderFilm(place) {
  fill(place, view.frames, () => view.frames.map(filmCell));
}

/** What can be done with the drawing that is shown. */
function renderFilmChoice() {
  const place = root.querySelector('.chosen');
  const frame = view.frames[at];
  const shown = frame && !playing && (frame.place !== null) && (frame.picture || frame.own) && !frame.held;
  fill(place, shown ? [frame, at, view.missing] : null, () => {
    if (!shown) return [];
    const choose = (candidate) => act({ do: 'choose', pair: frame.pair, place: frame.place, candidate });
    return [
      h('div', { class: 'row wrap' },
        h('h3', {}, `Drawing ${at + 1}`), badge(frame),
        h('span', { class: 'faint' }, frame.own ? (view.missing ? 'Press Draw: its neighbours are drawn from it.' : 'Its neighbours are drawn from it.') : ADVICE[frame.review] || ''),
        h('span', { class: 'space' }),
        fileButton(frame.own ? 'Replace it again' : 'Replace it by your own', 'replace', false, (files) => files.length && replaceBy(files, frame)),
        frame.own ? h('button', { type: 'button', class: 'plain', data: { key: 'restore' }, onclick: () => act({ do: 'restore', pair: frame.pair, place: frame.place }) }, 'Take it away') : null),
      frame.candidates.length > 1
        ? h('div', { class: 'row wrap candidates', role: 'group', 'aria-label': 'Candidates' },
            frame.candidates.map((name, number) =>
              h('button', {
                type: 'button', class: 'candidate', 'aria-pressed': `${number === frame.chosen}`, 'aria-label': `Candidate ${number + 1}`, data: { key: `candidate${number}` },
                onclick: () => choose(number),
              }, h('img', { src: small(name), alt: '' }), h('span', {}, `${number + 1}`))))
        : null,
    ];
  });
}

function renderDownloads(place) {
  const ready = view.frames.length > 1 && view.frames.every((frame) => frame.picture);
  fill(place, ready, () => [
    h('span', { class: 'faint' }, ready ? 'Download' : 'Download, once everything is drawn'),
    Object.entries(choices.formats).map(([format, label]) =>
      h('button', { type: 'button', disabled: !ready, data: { key: `download${format}` }, onclick: () => { say('Writing the file …'); act({ do: 'download', format }); } }, label)),
  ]);
}
