import pytest

from tests.campaigns.fake_channel import CHANNELS, fake


@pytest.fixture
def channel(settings):
    settings.CHANNELS = CHANNELS
    fake().forget()
    return fake()


@pytest.fixture
def keyless(settings):
    settings.CHANNELS = CHANNELS
    fake("keyless").forget()
    return fake("keyless")
