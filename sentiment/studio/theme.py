"""The colours and type of the page, as Gradio's own components need to be told them."""

from __future__ import annotations

import gradio as gr

FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
"""What the visitor's machine has: the page loads nothing from elsewhere."""

MONOSPACE_FONTS = ["ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace"]


def make_theme() -> gr.themes.Base:
    """Paper and ink, one quiet line around each card; the colours belong to the emotions."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.neutral,
        secondary_hue=gr.themes.colors.neutral,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=FONTS,
        font_mono=MONOSPACE_FONTS,
    )
    return theme.set(
        body_background_fill="#F6F7F9",
        body_background_fill_dark="#0F1114",
        body_text_color="#16181C",
        body_text_color_dark="#ECEEF1",
        body_text_color_subdued="#5F6672",
        body_text_color_subdued_dark="#9AA1AC",
        background_fill_primary="#FFFFFF",
        background_fill_primary_dark="#17191E",
        background_fill_secondary="#F6F7F9",
        background_fill_secondary_dark="#1D2026",
        border_color_primary="#E3E6EA",
        border_color_primary_dark="#2A2E35",
        block_background_fill="#FFFFFF",
        block_background_fill_dark="#17191E",
        block_border_width="0px",
        block_shadow="none",
        block_label_text_color="#5F6672",
        block_label_text_color_dark="#9AA1AC",
        input_background_fill="#FFFFFF",
        input_background_fill_dark="#1D2026",
        input_border_width="1px",
        input_border_color="#D5D9DF",
        input_border_color_dark="#343943",
        input_border_color_focus="#5F6672",
        input_border_color_focus_dark="#9AA1AC",
        button_primary_background_fill="#16181C",
        button_primary_background_fill_hover="#33373E",
        button_primary_background_fill_dark="#ECEEF1",
        button_primary_background_fill_hover_dark="#FFFFFF",
        button_primary_text_color="#FFFFFF",
        button_primary_text_color_dark="#16181C",
        button_secondary_background_fill="#FFFFFF",
        button_secondary_background_fill_hover="#F0F2F5",
        button_secondary_background_fill_dark="#1D2026",
        button_secondary_background_fill_hover_dark="#262A31",
        button_secondary_border_color="#D5D9DF",
        button_secondary_border_color_dark="#343943",
        button_border_width="1px",
        button_large_text_size="15px",
        button_large_text_weight="600",
    )
