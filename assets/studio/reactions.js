// The stimulus on the Reactions page: it plays, a line runs through the plots, and a click on them moves it.
// Where nothing is known but the recordings there is no player, and the line stands where one has clicked.

const stimulusPlayer = () => document.querySelector("#stimulus-player video");

let stimulusSeconds = 0;

function seekStimulus(seconds) {
  stimulusSeconds = Math.max(0, seconds);
  const video = stimulusPlayer();
  if (video) video.currentTime = stimulusSeconds;
  drawSoon();
}

function drawReactions() {
  const card = document.getElementById("reactions-plots");
  const axis = axisOn(card);
  if (axis) drawLine(card, axis, stimulusPlayer()?.currentTime ?? stimulusSeconds);
}

document.addEventListener("click", (event) => {
  const seconds = event.target.closest("#reactions-results [data-stimulus-seconds]")?.dataset.stimulusSeconds;
  const plot = event.target.closest("#reactions-plots .js-plotly-plot");
  const target = seconds !== undefined ? Number(seconds) : plot?._fullLayout ? timeUnder(plot, event) : null;
  if (target !== null) seekStimulus(target);
});
