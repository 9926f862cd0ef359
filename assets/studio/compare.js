// The stimulus on the Reactions page: it plays, a line runs through the plots, and a click on them moves it.
// Where nothing is known but the recordings there is no player, and the line stands where one has clicked.

const stimulusPlayer = () => document.querySelector("#stimulus-player video");

const reactionPlots = () =>
  [...document.querySelectorAll("#reactions-plots .js-plotly-plot")].filter(
    (plot) => plot._fullLayout && plot.getClientRects().length,
  );

let stimulusSeconds = 0;

function seekStimulus(seconds) {
  stimulusSeconds = Math.max(0, seconds);
  const video = stimulusPlayer();
  if (video) video.currentTime = stimulusSeconds;
  drawReactionsSoon();
}

function drawReactions() {
  const card = document.getElementById("reactions-plots");
  const shown = reactionPlots();
  if (!card || !shown.length) return;
  const [top, bottom, origin] = [shown[0], shown.at(-1), card].map((element) => element.getBoundingClientRect());
  const axis = axisOf(shown[0]);
  const seconds = stimulusPlayer()?.currentTime ?? stimulusSeconds;
  const place = axis.left + ((seconds - axis.start) / (axis.end - axis.start)) * axis.length;
  Object.assign(overlay(card, "playhead", seconds >= axis.start && seconds <= axis.end).style, {
    top: `${top.top - origin.top - card.clientTop}px`,
    height: `${bottom.bottom - top.top - shown.at(-1)._fullLayout.margin.b}px`,
    transform: `translateX(${place - origin.left - card.clientLeft}px)`,
  });
}

let nextReactionsFrame = 0;

function drawReactionsSoon() {
  nextReactionsFrame ||= requestAnimationFrame(() => {
    nextReactionsFrame = 0;
    if (!document.getElementById("reactions-results")?.getClientRects().length) return;
    drawReactions();
    if (stimulusPlayer()?.paused === false) drawReactionsSoon();
  });
}

for (const name of ["play", "seeking", "seeked", "timeupdate", "loadedmetadata", "emptied"]) {
  document.addEventListener(name, drawReactionsSoon, true);
}
addEventListener("resize", drawReactionsSoon);
new MutationObserver(drawReactionsSoon).observe(document, {
  subtree: true,
  childList: true,
  attributes: true,
  attributeFilter: ["class"],
});

document.addEventListener("click", (event) => {
  const seconds = event.target.closest("#reactions-results [data-stimulus-seconds]")?.dataset.stimulusSeconds;
  const plot = event.target.closest("#reactions-plots .js-plotly-plot");
  const target = seconds !== undefined ? Number(seconds) : plot?._fullLayout ? timeUnder(plot, event) : null;
  if (target !== null) seekStimulus(target);
});
