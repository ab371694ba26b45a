"""The company that generated data comes from: its topics, teams, systems, pages."""

from typing import Final

#: Topic to the team that answers for it.
TOPICS: Final[dict[str, str]] = {
    "delivery": "logistics",
    "return": "logistics",
    "damaged-goods": "logistics",
    "invoice": "billing",
    "payment": "billing",
    "refund": "billing",
    "contract-change": "contracts",
    "cancellation": "contracts",
    "move": "contracts",
    "router": "technology",
    "outage": "technology",
    "login": "technology",
    "product-advice": "sales",
    "warranty": "sales",
}
#: Channel to the system that sees what happens there.
SYSTEMS: Final[dict[str, str]] = {
    "web": "webshop",
    "portal": "webshop",
    "form": "webshop",
    "app": "app",
    "phone": "hotline",
    "email": "mailroom",
    "chat": "chat",
    "store": "till",
    "social": "social-desk",
}
CRM: Final = "crm"
SHOP: Final = "webshop"
CAMPAIGNS: Final = "campaigns"

PAGES: Final = (
    "/",
    "/offers",
    "/phones",
    "/tariffs",
    "/help",
    "/help/router",
    "/account",
    "/account/invoices",
    "/orders",
    "/stores",
)
SCREENS: Final = ("home", "usage", "invoices", "offers", "orders", "profile")
QUEUES: Final = ("hotline-1", "hotline-2")
COUNTERS: Final = ("berlin-1", "hamburg-2", "munich-1")
LOCALES: Final = ("de-DE", "de-DE", "de-AT", "en-GB")
AGENTS: Final = tuple(f"agent-{number:02d}" for number in range(1, 25))
#: How customers spread over the hours of a day: weight of each hour.
HOUR_WEIGHTS: Final = (1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 13, 12, 12, 12, 12, 12, 13, 14, 14, 12, 9, 5, 2)
