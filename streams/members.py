"""Who is in a consumer group, as its broker sees it."""

from streams.settings import KafkaSettings
from streams.topics import admin_client


def instance_holder(kafka: KafkaSettings, group: str, instance: str) -> str | None:
    """Member id of the one who goes by an instance id in a group, if there is one.

    Raises:
        KafkaError: the broker does not answer.

    """
    admin = admin_client(kafka)
    try:
        members = admin.describe_groups([group])[group]["members"]
    finally:
        admin.close()
    return next((str(member["member_id"]) for member in members if member["group_instance_id"] == instance), None)
