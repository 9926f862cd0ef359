"""What the two plots show, and that they claim nothing that the timeline does not say."""

from __future__ import annotations

import json
import re

import pytest
from timelines import UNSURE, doubtful_timeline, prediction, sample_timeline, timeline_of

from sentiment.figure_style import MAX_TIME_TICKS, ink_on, time_ticks
from sentiment.figures import emotion_figure, sentiment_figure
from sentiment.labels import EMOTION_COLOURS, EMOTIONS, SENTIMENT_COLOURS, SENTIMENTS

FIGURES = [emotion_figure, sentiment_figure]


def trace(figure, name):
    return next(t for t in figure.data if t.name == name)


def test_every_emotion_is_a_line_in_its_own_colour():
    figure = emotion_figure(sample_timeline())
    lines = {t.name: t.line.color for t in figure.data if t.type == "scatter"}
    assert lines == EMOTION_COLOURS
    assert list(lines) == list(EMOTIONS)


def test_sentiments_have_their_colours_and_diverge():
    figure = sentiment_figure(sample_timeline())
    assert {t.name for t in figure.data} >= set(SENTIMENTS)
    assert min(trace(figure, "positive").y) >= 0 >= max(trace(figure, "negative").y)
    assert trace(figure, "neutral").line.color == SENTIMENT_COLOURS["neutral"]


def test_values_hold_over_their_segment_and_stop_at_its_ends():
    line = trace(emotion_figure(sample_timeline()), "joy")
    points = list(zip(line.x, line.y, strict=True))
    assert points[:3] == [(0.0, 0.82), (4.0, 0.82), (None, None)]  # 4.0-4.5 s is a pause: no line across it
    anger_to_neutral = points[3:7]
    assert [x for x, _ in anger_to_neutral] == [4.5, 9.0, 9.0, 13.6]  # these two touch: one step


def test_where_nothing_was_answered_nothing_is_drawn():
    timeline = sample_timeline()
    (gap,) = [p.segment for p in timeline.segments if p.affect is None]
    for figure in (emotion_figure(timeline), sentiment_figure(timeline)):
        for line in (t for t in figure.data if t.type == "scatter"):
            assert not [x for x in line.x if x is not None and gap.start_seconds < x < gap.end_seconds]
            before = max(i for i, x in enumerate(line.x) if x is not None and x <= gap.start_seconds)
            assert line.x[before + 1] is None
    assert gap.start_seconds not in trace(emotion_figure(timeline), "ribbon").base


@pytest.mark.parametrize("make_figure", FIGURES)
def test_exactly_the_doubtful_segments_are_hatched(make_figure):
    timeline = sample_timeline()
    shapes = trace(make_figure(timeline), "segments").marker.pattern.shape
    assert [i for i, shape in enumerate(shapes) if shape] == [6, 8]


def names_on(ribbon) -> list[str]:
    return [re.sub("<.*?>", "", text) for text in ribbon.text]


def test_the_ribbon_names_every_answer_and_leaves_what_is_doubtful_paler_and_hatched():
    ribbon = trace(emotion_figure(sample_timeline()), "ribbon")
    names = names_on(ribbon)
    assert names == ["joy", "anger", "neutral", "surprise", "sadness", "disgust ?", "fear", "joy ?"]
    opaque = [colour.endswith(",1.0)") for colour in ribbon.marker.color]
    assert opaque == [not name.endswith("?") for name in names] == [not s for s in ribbon.marker.pattern.shape]


@pytest.mark.parametrize("make_figure", FIGURES)
@pytest.mark.parametrize(
    "timeline",
    [doubtful_timeline(), timeline_of(prediction(0, 1, "Oh", UNSURE, certain=False), duration_seconds=1)],
    ids=["nothing certain", "one segment"],
)
def test_where_all_is_doubtful_all_is_hatched_and_every_name_is_a_question(make_figure, timeline):
    figure = make_figure(timeline)
    shapes = trace(figure, "segments").marker.pattern.shape
    assert [bool(shape) for shape in shapes] == [p.affect is not None for p in timeline.segments]
    for ribbon in (t for t in figure.data if t.name == "ribbon"):
        assert names_on(ribbon) and all(name.endswith("?") for name in names_on(ribbon))


def test_every_sentiment_bar_is_paler_where_the_answer_is_doubtful():
    for sentiment in ("positive", "negative"):
        colours = trace(sentiment_figure(sample_timeline()), sentiment).marker.color
        assert [i for i, colour in enumerate(colours) if colour.endswith(",0.4)")] == [5, 7]  # the gap has no bar


@pytest.mark.parametrize("make_figure", FIGURES)
def test_hover_shows_the_words_escaped(make_figure):
    texts = trace(make_figure(sample_timeline()), "segments").hovertext
    assert "I am so happy" in texts[0]
    assert "0:00 – 0:04" in texts[0]
    assert "&lt;b&gt;ruined&lt;/b&gt;" in texts[1]
    assert "no answer" in texts[4]
    assert "unsure: disgust or surprise" in texts[6]
    assert "mixed: joy, but negative" in texts[8]
    assert not [text for i, text in enumerate(texts) if i not in (6, 8) and ("unsure" in text or "mixed" in text)]


def test_both_plots_share_range_and_margins():
    timeline = sample_timeline()
    first, second = emotion_figure(timeline).layout, sentiment_figure(timeline).layout
    assert first.xaxis.range == second.xaxis.range == (0, timeline.duration_seconds)
    assert (first.margin.l, first.margin.r) == (second.margin.l, second.margin.r)
    assert first.margin.autoexpand is second.margin.autoexpand is False


@pytest.mark.parametrize("make_figure", FIGURES)
def test_an_unfinished_timeline_shades_what_is_missing(make_figure):
    (shade,) = make_figure(sample_timeline(analysed_seconds=20.0)).layout.shapes
    assert (shade.x0, shade.x1) == (20.0, 38.5)
    assert not make_figure(sample_timeline()).layout.shapes


@pytest.mark.parametrize("make_figure", FIGURES)
def test_a_timeline_without_segments_is_an_empty_plot(make_figure):
    figure = make_figure(sample_timeline(analysed_seconds=0.0))
    assert json.loads(figure.to_json())["layout"]["xaxis"]["range"] == [0, 38.5]


def test_long_words_do_not_make_a_long_hover_label():
    from sentiment.figures import _hover_text

    lines = _hover_text(prediction(0, 9, "and then " * 200)).split("<br>")
    assert max(len(line) for line in lines) < 80
    assert len(lines) < 12


@pytest.mark.parametrize("duration_seconds", [0.4, 3.0, 34.5, 61.0, 600.0, 5400.0, 4 * 3600.0, 30 * 3600.0])
def test_time_ticks_are_few_and_inside(duration_seconds):
    ticks = time_ticks(duration_seconds)
    assert ticks[0] == 0
    assert ticks[-1] <= duration_seconds
    assert len(ticks) <= MAX_TIME_TICKS + 1


def test_names_on_the_ribbon_can_be_read():
    assert ink_on("#0072B2") == "#FFFFFF"
    assert ink_on("#E69F00") != "#FFFFFF"
