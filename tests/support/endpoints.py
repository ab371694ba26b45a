"""Endpoints to post alerts to, for tests."""

from pydantic import SecretStr

from sinks.alerts.endpoint import Endpoint

SECRET_URL = "https://hooks.example.com/services/T00/B00/secret-part"


def an_endpoint(url: str = SECRET_URL) -> Endpoint:
    return Endpoint.parse(SecretStr(url))
