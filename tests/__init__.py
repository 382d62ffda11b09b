"""Tests; what the shared checks compare is shown where they fail."""

import pytest

pytest.register_assert_rewrite("tests.checkpoint_files", "tests.exported_files")
