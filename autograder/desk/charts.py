"""The pictures of the report, as SVG: how points are distributed, and how fast answers are."""

import math
import statistics
from collections import Counter

from markupsafe import Markup

BINS = 10  # of the points


def binned(totals, most):
    """(from, to, number of students) of each bin; the last one holds full marks."""
    step = (most or 1.0) / BINS
    counts = Counter(min(int(total / step), BINS - 1) for total in totals)
    return [(step * i, step * (i + 1), counts[i]) for i in range(BINS)]


def histogram(totals, most):
    """The score distribution as SVG."""
    bins = binned(totals, most)
    top = max(count for _, _, count in bins)
    width, height, left, base = 640, 200, 30, 170
    step = (width - left) / BINS
    said = ", ".join(f"{low:g} to {high:g}: {count}" for low, high, count in bins if count)
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Students by points. {said}">']
    for i, (low, _, count) in enumerate(bins):
        tall = 140 * count / top
        x = left + i * step
        parts.append(
            f'<rect class="bar" x="{x + 2:.1f}" y="{base - tall:.1f}" width="{step - 4:.1f}" height="{tall:.1f}"/>'
        )
        if count:
            parts.append(f'<text x="{x + step / 2:.1f}" y="{base - tall - 5:.1f}" text-anchor="middle">{count}</text>')
        parts.append(f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle">{low:g}</text>')
    parts.append(f'<text x="{width - 4}" y="{base + 16}" text-anchor="end">{most:g}</text>')
    parts.append(f'<line class="axis" x1="{left}" x2="{width}" y1="{base}" y2="{base}"/></svg>')
    return Markup("".join(parts))


def strip(paces):
    """Ratios to the hidden solution's time on a logarithmic axis, as SVG."""
    values = [max(pace, 0.05) for pace in paces]
    low, high = math.log(min([*values, 0.5])), math.log(max([*values, 4.0]))
    width, left, right = 640, 20, 620

    def place(value):
        return left + (right - left) * (math.log(value) - low) / (high - low)

    said = f"{len(values)} answers, from {min(values):g} to {max(values):g} times, median {statistics.median(values):g}"
    parts = [f'<svg viewBox="0 0 {width} 70" role="img" aria-label="{said}">']
    parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="40" y2="40"/>')
    for tick in (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32):
        if low <= math.log(tick) <= high:
            parts.append(f'<line class="axis" x1="{place(tick):.1f}" x2="{place(tick):.1f}" y1="36" y2="44"/>')
            parts.append(f'<text x="{place(tick):.1f}" y="60" text-anchor="middle">{tick:g}</text>')
    parts += [f'<circle class="bar" fill-opacity="0.6" cx="{place(v):.1f}" cy="25" r="6"/>' for v in values]
    return Markup("".join([*parts, "</svg>"]))
