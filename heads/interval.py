"""Confidence interval of a proportion."""

import math


def wilson(share: float, count: int) -> tuple[float, float]:
    """95% score interval of a share of `count` > 0 independent trials.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    z = 1.959963984540054
    centre = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    divisor = 1 + z * z / count
    # The interval holds the share; rounding must not put it outside.
    low, high = (centre - half) / divisor, (centre + half) / divisor
    return max(0.0, min(low, share)), min(1.0, max(high, share))
