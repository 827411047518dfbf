"""The queues that workers read: one a service in the fleet."""

from kombu import Queue as KombuQueue

from service.task_queue import Queue

QUEUES = tuple(KombuQueue(queue.value) for queue in Queue)
