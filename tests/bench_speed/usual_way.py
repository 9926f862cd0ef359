"""How this is usually done: `usual_way.py VIDEO UTTERANCES --warm-up VIDEO --threads N` prints its figures as JSON.

Whisper base in float32 with a beam of five over the whole file. Then, one utterance after the other: it is cut out by
encoding it anew (H.264 and AAC with FFmpeg's own settings), the piece is decoded again to 30 frames of 224x224, its
sound is decoded once more into a wav and made a spectrogram, and R3D-18, a small CNN and BERT-base (128 tokens, padded)
are asked in float32, one clip at a time.

What each step does is what the `ffmpeg` command does, through PyAV and so in this process: that spares this side the
start of three programs for each utterance. It seeks to the utterance and does not decode what lies before, it has the
same threads as the other side, all models are loaded once, and everything has run once before the clock starts. The
networks have the usual sizes and random weights: how long they take does not depend on what they have learned.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
import torch
from measuring import StageClock, answer, peak_memory_mb, set_threads
from talking_clip import Utterance
from torch import nn

from sentiment.clips import LogMel
from sentiment.media import read_audio

FRAME_COUNT: Final = 30
FRAME_SIZE_PX: Final = 224
MAX_TOKENS: Final = 128
WAV_RATE_HZ: Final = 16_000
FEATURE_SIZE: Final = 128
NUM_EMOTIONS, NUM_SENTIMENTS = 7, 3


class UsualWay:
    """Everything that is loaded once."""

    def __init__(self, threads: int) -> None:
        from faster_whisper import WhisperModel
        from tokenizers import Tokenizer

        from sentiment.clip_datatypes import ClipSettings
        from sentiment.hub import STARTER_CHECKPOINT
        from sentiment.whisper_files import find_whisper_files

        self._threads = threads
        folder = find_whisper_files("base").folder
        self._whisper = WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=threads)
        self._tokenizer = Tokenizer.from_file(str(STARTER_CHECKPOINT / "tokenizer.json"))  # that of BERT, uncased
        self._tokenizer.enable_padding(length=MAX_TOKENS)
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._log_mel = LogMel(ClipSettings())
        torch.manual_seed(0)
        self._network = UsualNetwork().eval().requires_grad_(False)

    def analyse(self, video: Path, utterances: Sequence[Utterance], clock: StageClock) -> str:
        """Answers each utterance; returns what Whisper heard."""
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            segments, _ = self._whisper.transcribe(str(video), beam_size=5, word_timestamps=True)
            heard = " ".join(segment.text.strip() for segment in segments)
            clock.add("recognition", time.perf_counter() - started)
            for utterance in utterances:
                self._answer(video, utterance, Path(folder), clock)
        return heard

    def _answer(self, video: Path, utterance: Utterance, folder: Path, clock: StageClock) -> None:
        times = [time.perf_counter()]
        piece, wav = folder / "piece.mp4", folder / "piece.wav"
        cut_piece(video, piece, utterance.start_seconds, utterance.end_seconds, self._threads)
        times.append(time.perf_counter())
        frames = read_frames(piece)
        times.append(time.perf_counter())
        write_wav(piece, wav)
        log_mel = self._log_mel.normalize(self._log_mel.raw(read_audio(wav, WAV_RATE_HZ)))
        times.append(time.perf_counter())
        encoding = self._tokenizer.encode(utterance.text)
        token_ids, mask = (torch.tensor([values]) for values in (encoding.ids, encoding.attention_mask))
        with torch.inference_mode():
            words = self._network.text(token_ids, mask)
            times.append(time.perf_counter())
            picture = self._network.video(frames)
            times.append(time.perf_counter())
            voice = self._network.audio(log_mel[None])
            self._network.heads(torch.cat([words, picture, voice], dim=1)).argmax(dim=1).tolist()
        times.append(time.perf_counter())
        stages = ("cut", "frames", "wav and spectrogram", "BERT-base", "R3D-18", "voice network")
        for stage, before, after in zip(stages, times, times[1:], strict=False):
            clock.add(stage, after - before)


class UsualNetwork(nn.Module):
    """BERT-base, R3D-18 and a small CNN, each to 128 numbers; all of them to emotions and sentiments."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models.video import r3d_18
        from transformers import BertConfig, BertModel

        self.bert = BertModel(BertConfig())
        self.bert_projection = nn.Linear(self.bert.config.hidden_size, FEATURE_SIZE)
        self.r3d = r3d_18(weights=None)
        self.r3d.fc = nn.Sequential(nn.Linear(self.r3d.fc.in_features, FEATURE_SIZE), nn.ReLU())
        self.audio = nn.Sequential(
            *(nn.Conv1d(80, 64, 3), nn.BatchNorm1d(64), nn.ReLU(), nn.MaxPool1d(2)),
            *(nn.Conv1d(64, FEATURE_SIZE, 3), nn.BatchNorm1d(FEATURE_SIZE), nn.ReLU(), nn.AdaptiveAvgPool1d(1)),
            nn.Flatten(),
        )
        self.heads = nn.Sequential(
            nn.Linear(3 * FEATURE_SIZE, 256), nn.ReLU(), nn.Linear(256, NUM_EMOTIONS + NUM_SENTIMENTS)
        )

    def text(self, token_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(1, 128) from (1, MAX_TOKENS) token ids and mask."""
        return self.bert_projection(self.bert(input_ids=token_ids, attention_mask=mask).pooler_output)

    def video(self, frames: torch.Tensor) -> torch.Tensor:
        """(1, 128) from (FRAME_COUNT, 3, FRAME_SIZE_PX, FRAME_SIZE_PX)."""
        return self.r3d(frames.transpose(0, 1)[None])


# ---------------------------------------------------------------- what the ffmpeg command does


def cut_piece(video: Path, piece: Path, start_seconds: float, end_seconds: float, threads: int) -> None:
    """ffmpeg -ss START -to END -i VIDEO -c:v libx264 -c:a aac -y PIECE"""
    with av.open(str(video)) as reading, av.open(str(piece), "w") as writing:
        picture, sound = reading.streams.video[0], reading.streams.audio[0]
        picture.thread_type = "AUTO"
        picture.codec_context.thread_count = threads
        written_picture = writing.add_stream("libx264", rate=picture.average_rate)
        written_picture.width, written_picture.height = picture.width, picture.height
        written_picture.pix_fmt = "yuv420p"
        written_picture.codec_context.thread_count = threads
        written_sound = writing.add_stream("aac", rate=sound.rate, layout=sound.layout.name)
        targets = {picture.index: written_picture, sound.index: written_sound}
        reading.seek(round(start_seconds * av.time_base))
        ended = set()
        for packet in reading.demux(picture, sound):
            for frame in packet.decode():
                if frame.time >= end_seconds:
                    ended.add(packet.stream.index)
                elif frame.time >= start_seconds:
                    frame.pts -= round(Fraction(start_seconds) / frame.time_base)
                    if packet.stream is picture:
                        frame.pict_type = 0  # the encoder chooses its own key frames
                    writing.mux(targets[packet.stream.index].encode(frame))
            if len(ended) == len(targets):
                break
        for target in targets.values():
            writing.mux(target.encode(None))


def read_frames(piece: Path) -> torch.Tensor:
    """(FRAME_COUNT, 3, FRAME_SIZE_PX, FRAME_SIZE_PX) float32 in [0, 1]: the first ones, then zeros."""
    frames = np.zeros((FRAME_COUNT, FRAME_SIZE_PX, FRAME_SIZE_PX, 3), dtype=np.uint8)
    with av.open(str(piece)) as reading:
        reading.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(reading.decode(video=0)):
            if number == FRAME_COUNT:
                break
            frames[number] = cv2.resize(frame.to_ndarray(format="rgb24"), (FRAME_SIZE_PX, FRAME_SIZE_PX))
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255


def write_wav(piece: Path, wav: Path) -> None:
    """ffmpeg -i PIECE -vn -acodec pcm_s16le -ar 16000 -ac 1 -y WAV"""
    with av.open(str(piece)) as reading, av.open(str(wav), "w") as writing:
        written = writing.add_stream("pcm_s16le", rate=WAV_RATE_HZ, layout="mono")
        resampler = av.AudioResampler("s16", "mono", WAV_RATE_HZ)
        for frame in (*reading.decode(audio=0), None):
            for resampled in resampler.resample(frame):
                writing.mux(written.encode(resampled))
        writing.mux(written.encode(None))


def measure(video: Path, utterances: Sequence[Utterance], warm_up: Path, threads: int) -> dict[str, Any]:
    """The figures of one analysis, ready for JSON."""
    set_threads(threads)
    started = time.perf_counter()
    way = UsualWay(threads)
    load_seconds = time.perf_counter() - started
    way.analyse(warm_up, utterances[:1], StageClock())
    clock = StageClock()
    started, cpu_started = time.perf_counter(), time.process_time()
    heard = way.analyse(video, utterances, clock)
    return {
        "load_seconds": load_seconds,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
        "stage_seconds": dict(clock.seconds),
        "peak_memory_mb": peak_memory_mb(),
        "heard": heard,
    }


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("utterances", type=Path, help="JSON: what is said when")
    parser.add_argument("--warm-up", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    utterances = [Utterance(**line) for line in json.loads(options.utterances.read_text(encoding="utf-8"))]
    answer(measure(options.video, utterances, options.warm_up, options.threads))


if __name__ == "__main__":
    main()
