"""What every energy meter promises; a test class for a meter inherits this one.

It gives a fixture `meter`, a method `spend` that uses energy which the meter sees, and a method
`lose` that takes the meter away.
"""

from __future__ import annotations

import time

import pytest


class MeterContract:
    """Windows of one meter, one after another."""

    def spend(self):
        """Use some energy."""
        raise NotImplementedError

    def lose(self):
        """Make the meter unreadable."""
        raise NotImplementedError

    def window(self, meter):
        meter.start()
        began = time.perf_counter()
        self.spend()
        took = time.perf_counter() - began
        return meter.stop(), took

    def test_it_says_what_it_is_and_what_it_meters(self, meter):
        assert meter.source
        assert "," not in meter.source
        assert meter.scope
        assert all(value >= 0 for value in meter.parameters.values())

    def test_a_window_has_joules_its_length_and_an_error_from_ticks(self, meter):
        reading, took = self.window(meter)
        assert reading.joules > 0
        assert reading.seconds >= took
        assert 0 <= reading.quantisation_rel <= 1
        assert reading.problems == ()

    def test_each_window_starts_at_nothing(self, meter):
        self.window(meter)
        for _ in range(30):
            self.spend()
        (one, _), (other, _) = self.window(meter), self.window(meter)
        energy = one.joules / other.joules  # of a counter
        power = energy * other.seconds / one.seconds  # of what draws a constant power
        assert min(energy, power) < 15

    def test_the_mean_power_is_within_the_limits_where_there_are_any(self, meter):
        reading, _ = self.window(meter)
        limits = meter.power_limits()
        if limits is not None:
            low, high = limits
            assert low <= reading.joules / reading.seconds <= high

    def test_parts_are_of_different_scopes_and_add_up(self, meter):
        reading, _ = self.window(meter)
        if reading.parts:
            assert reading.joules == pytest.approx(sum(part.joules for part in reading.parts))
            assert len({part.scope for part in reading.parts}) == len(reading.parts)

    def test_a_meter_that_is_lost_gives_no_joules_and_the_reason(self, meter):
        meter.start()
        self.spend()
        self.lose()
        lost = meter.stop()
        meter.start()
        never_there = meter.stop()
        for reading in (lost, never_there):
            assert reading.joules is None
            assert reading.problems
