"""The queues that workers read: one a service in the fleet."""

from kombu import Exchange
from kombu import Queue as KombuQueue

from service.task_queue import Queue

# Each with its own exchange and key: left out, Celery binds all of them to the default queue's,
# and every message would go to every queue.
QUEUES = tuple(
    KombuQueue(queue.value, Exchange(queue.value), routing_key=queue.value) for queue in Queue
)
