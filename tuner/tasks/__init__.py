"""Answer quality: graded prompts."""

from tuner.tasks.builtin import builtin_task
from tuner.tasks.graders import GRADERS, Grader
from tuner.tasks.named import grader_named
from tuner.tasks.task import Prompt, Task
from tuner.tasks.task_files import read_task

__all__ = ["GRADERS", "Grader", "Prompt", "Task", "builtin_task", "grader_named", "read_task"]
