"""The experiments of the study notes: `tinygrad-rnn train TASK` runs one."""

from .memory import Adding
from .task import Task

TASKS: dict[str, type[Task]] = {task.name: task for task in (Adding,)}
