"""The room's door: what can be done with events, endpoints and deliveries."""

from service.webhooks.deliveries import deliver as deliver
from service.webhooks.deliveries import due_deliveries as due_deliveries
from service.webhooks.deliveries import list_deliveries as list_deliveries
from service.webhooks.deliveries import ping_webhook as ping_webhook
from service.webhooks.deliveries import purge_deliveries as purge_deliveries
from service.webhooks.deliveries import redeliver as redeliver
from service.webhooks.endpoints import create_webhook as create_webhook
from service.webhooks.endpoints import delete_webhook as delete_webhook
from service.webhooks.endpoints import get_webhook as get_webhook
from service.webhooks.endpoints import list_webhooks as list_webhooks
from service.webhooks.endpoints import rotate_secret as rotate_secret
from service.webhooks.endpoints import update_webhook as update_webhook
from service.webhooks.recording import list_events as list_events
from service.webhooks.recording import purge_events as purge_events
from service.webhooks.recording import record_event as record_event
