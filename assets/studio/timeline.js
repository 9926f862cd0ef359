// The script of the page, in parts that lie in one closure:
//
//   timeline.js   what was found, and where the player is
//   now.js        what moves with the player: playhead, lit row, live bars
//   why.js        what the answer of the moment rests on
//   correct.js    corrections of the transcript
//   faces.js      whose face counts
//   reactions.js  what viewers watched, and the line through their reactions
//   control.js    clicks, keys, and when to draw
//
// Gradio replaces what it shows whenever it likes: after an analysis, a Cancel, a change of theme. So nothing on
// the page is held on to for longer than it takes to draw, and events are caught at the document.

const TOLERANCE_SECONDS = 0.001; // times come rounded to milliseconds

/** The newest timeline, as sentiment/studio/evidence.py wrote it. */
let timeline = { emotions: [], sentiments: [], signals: [], segments: [] };
let timelineText = "";

/** Where one is while there is no player yet: it comes last for files that no browser plays. */
let soughtSeconds = 0;

const player = () => document.querySelector("#player video");

const momentSeconds = () => player()?.currentTime ?? soughtSeconds;

/** Takes over a newer timeline where the page has one; whether it has. */
function readTimeline() {
  const text = document.querySelector("#evidence [data-timeline]")?.dataset.timeline ?? "";
  if (!text || text === timelineText) return false;
  const before = timeline;
  timelineText = text;
  timeline = JSON.parse(text);
  noteAnswers(before, timeline);
  return true;
}

/** The last segment that begins by then; -1 before the first. */
function indexAt(seconds) {
  return timeline.segments.findLastIndex((segment) => segment.start <= seconds + TOLERANCE_SECONDS);
}

const isWithin = (segment, seconds) => segment !== undefined && seconds + TOLERANCE_SECONDS < segment.end;

function seek(seconds) {
  soughtSeconds = Math.max(0, seconds);
  const video = player();
  if (video) video.currentTime = soughtSeconds;
}

/** To the start of the next segment, or with -1 of the one before; within a pause, that of the one just heard. */
function step(direction) {
  const seconds = momentSeconds();
  const index = indexAt(seconds);
  const isPause = index >= 0 && !isWithin(timeline.segments[index], seconds);
  const target = timeline.segments[direction > 0 ? index + 1 : isPause ? index : index - 1];
  if (target) seek(target.start);
}

const percent = (share) => (share > 0 && share < 0.01 ? "<1%" : `${Math.round(100 * share)}%`);

/** The likeliest label of an answer's "emotion" or "sentiment": its name, colour and probability. */
function likeliest(answer, kind) {
  return ranked(answer, kind)[0];
}

function ranked(answer, kind) {
  return timeline[`${kind}s`]
    .map(([name, colour], index) => ({ name, colour, share: answer[kind][index] }))
    .sort((one, other) => other.share - one.share);
}
