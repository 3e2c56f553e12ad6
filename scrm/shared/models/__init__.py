from scrm.shared.models.heartbeat import Heartbeat

__all__ = ["Heartbeat"]
