// What moves with the player. All of it may be called for every frame: what is as it should be is left alone.

const FREE_SCROLL_MS = 4000; // how long a reader who scrolls the transcript is left in peace

const CAPTION_LINE = -4; // from the bottom

/** The plots of a card that are drawn and can be seen, from the top down. */
const plotsOn = (card) =>
  [...(card?.querySelectorAll(".js-plotly-plot") ?? [])].filter(
    (plot) => plot._fullLayout && plot.getClientRects().length,
  );

/** A plot's time axis on the screen: where it begins, how long it is, in px, and the seconds it spans. */
function axisOf(plot) {
  const { _offset, _length, range } = plot._fullLayout.xaxis;
  return { left: plot.getBoundingClientRect().left + _offset, length: _length, start: range[0], end: range[1] };
}

/** The time under the pointer, or null outside of the axis. */
function timeUnder(plot, event) {
  const { left, length, start, end } = axisOf(plot);
  const share = (event.clientX - left) / length;
  return share < 0 || share > 1 ? null : start + share * (end - start);
}

/** The time axis that all plots of a card share, in px of the card; null where there is none. */
function axisOn(card) {
  const shown = plotsOn(card);
  if (!shown.length) return null;
  const [top, bottom, origin] = [shown[0], shown.at(-1), card].map((element) => element.getBoundingClientRect());
  const { left, length, start, end } = axisOf(shown[0]);
  return {
    has: (seconds) => seconds >= start && seconds <= end,
    place: (seconds) => left - origin.left - card.clientLeft + ((seconds - start) / (end - start)) * length,
    span: {
      top: `${top.top - origin.top - card.clientTop}px`,
      height: `${bottom.bottom - top.top - shown.at(-1)._fullLayout.margin.b}px`,
    },
  };
}

/** One line through all plots of a card. */
function drawLine(card, axis, seconds) {
  Object.assign(overlay(card, "playhead", axis.has(seconds)).style, axis.span, {
    transform: `translateX(${axis.place(seconds)}px)`,
  });
}

/** The line through ribbon, emotions and sentiment, and a quiet band over the segment it is in. */
function drawPlayhead(seconds, segment) {
  const card = document.getElementById("timeline");
  const axis = axisOn(card);
  if (!axis) return;
  drawLine(card, axis, seconds);
  Object.assign(overlay(card, "band", isWithin(segment, seconds)).style, axis.span, {
    left: `${segment ? axis.place(segment.start) : 0}px`,
    width: `${segment ? axis.place(segment.end) - axis.place(segment.start) : 0}px`,
  });
}

function overlay(card, name, isShown) {
  let element = card.querySelector(`:scope > .${name}`);
  if (!element) {
    element = document.createElement("div");
    element.className = name;
    card.append(element);
  }
  element.hidden = !isShown;
  return element;
}

let lit = null;
let litIndex = -1;
let leftAloneUntil = 0;

/** Lights the row of the transcript, and brings it into sight within its own box: the page stays where it is. */
function lightRow(index) {
  const row = document.querySelector("#transcript tbody")?.rows[index];
  if (lit === row && (!row || row.classList.contains("now"))) return;
  for (const old of document.querySelectorAll("#transcript tr.now")) {
    old.classList.remove("now");
    old.removeAttribute("aria-current");
  }
  const isAnother = litIndex !== index;
  litIndex = index;
  lit = row;
  if (!row) return;
  row.classList.add("now");
  row.setAttribute("aria-current", "true");
  if (isAnother && performance.now() > leftAloneUntil) reveal(row, row.closest(".scroll"));
}

function reveal(row, box) {
  const [inner, outer] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
  if (inner.top >= outer.top && inner.bottom <= outer.bottom) return;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const top = box.scrollTop + inner.top - outer.top - (outer.height - inner.height) / 3;
  box.scrollTo({ top, behavior: isCalm ? "auto" : "smooth" });
}

/** The small bars beside the player: the fused answer of the segment that is played. */
function showBars(segment, seconds) {
  const now = document.getElementById("now");
  if (!now) return;
  const isPause = !isWithin(segment, seconds);
  const answer = isPause ? null : segment.answer;
  for (const kind of ["emotion", "sentiment"]) {
    const top = answer && likeliest(answer, kind).name;
    timeline[`${kind}s`].forEach(([name], index) => {
      const bar = now.querySelector(`[data-${kind}="${name}"]`);
      const share = answer ? answer[kind][index] : 0;
      bar.querySelector("i").style.width = `${100 * share}%`;
      write(bar.querySelector(".number"), answer ? percent(share) : "–");
      bar.classList.toggle("top", name === top);
    });
  }
  write(document.getElementById("now-when"), isPause ? "" : `· ${segment.when}`);
  write(document.getElementById("now-state"), isPause ? "a pause: nothing is read here" : segment.state);
}

/** Captions go where the player's controls do not cover them. */
function liftCaptions() {
  const track = player()?.textTracks[0];
  if (!track?.cues?.length || track.cues[0].line === CAPTION_LINE) return;
  for (const cue of track.cues) cue.line = CAPTION_LINE;
  if (track.mode !== "showing") return;
  track.mode = "hidden"; // what is shown already stays where it is until it is shown anew
  requestAnimationFrame(() => (track.mode = "showing"));
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
