"""The listing of providers: brief for all, whole for one."""

from dataclasses import replace

import pytest

from lens_gate.render.listing import (
    ProviderFacts,
    authorised,
    features,
    provider_details,
    provider_table,
)

HOSTED = ProviderFacts(
    name="acme",
    title="Acme (Chat)",
    kind="hosted",
    address="https://api.acme.example",
    key_env="ACME_KEY",
    needs_key=True,
    credentials=("key",),
    price="acme",
    whole=True,
    features=frozenset({"tools", "system", "seed"}),
    params=frozenset({"top_p", "seed"}),
    notes={"cache": "automatic " * 20},
)
OWN = replace(
    HOSTED,
    name="own-server",
    title="A server of somebody's own with a very long name indeed",
    kind="self-hosted",
    address="must be given",
    key_env=None,
    needs_key=False,
    credentials=("none", "key"),
    price=None,
    whole=False,
    features=frozenset(),
    params=None,
    flavors={"a-server-with-a-name": "Its title", "b": "B"},
    notes={},
)
PLAYED = replace(OWN, name="sim", kind="simulated", credentials=("none",), flavors={})


def test_the_table_has_a_line_for_each_and_fits_100_columns():
    text = provider_table([HOSTED, OWN, PLAYED])
    lines = text.splitlines()
    assert lines[0].split() == ["provider", "protocol", "kind", "key", "price"]
    assert lines[1].split() == ["acme", "Acme", "(Chat)", "hosted", "ACME_KEY", "table"]
    assert max(map(len, lines)) <= 100
    own = next(line for line in lines if line.startswith("own-server"))
    assert own.split()[-4:] == ["optional", "must", "be", "given"]
    sim = next(line for line in lines if line.startswith("sim"))
    assert sim.split()[-3:] == ["none", "built", "in"]
    assert "Flavors of own-server: a-server-with-a-name, b." in lines
    assert not any(line.startswith("Flavors of acme") for line in lines)


@pytest.mark.parametrize("cloud", ["AWS", "Google", "Azure"])
def test_a_clouds_own_credentials_come_before_its_key(cloud):
    row = replace(HOSTED, credentials=(cloud.lower(), "key"))
    assert f"{cloud} credentials" in provider_table([row])
    assert authorised(row).startswith(f"{cloud}'s own")
    assert authorised(row).endswith("; or a key: ACME_KEY, or another variable by api_key_env")


def test_one_is_told_in_full():
    lines = provider_details(HOSTED, 80).splitlines()
    assert lines[:8] == [
        "acme: Acme (Chat)",
        "  kind         hosted",
        "  base_url     https://api.acme.example",
        "  credentials  a key: ACME_KEY, or another variable by api_key_env",
        "  price        by the price table (acme), or `price:` in the policy",
        "  answers      streamed, or in one piece (stream: false)",
        "  knows        system prompts, tools, a seed",
        "  params       seed, top_p",
    ]
    assert lines[8:10] == ["", "  notes"]
    assert lines[10].startswith("    cache  automatic automatic")
    assert lines[11].startswith("           automatic")
    assert max(map(len, lines)) <= 80


def test_what_is_open_is_said_to_be_so():
    lines = provider_details(OWN, 20).splitlines()
    text = " ".join(" ".join(lines).split())
    assert "a key, where one is needed: api_key_env" in text
    assert "`price:` in the policy, which must give one" in text
    assert "streamed only" in text
    assert "a conversation, and nothing else" in text
    assert "any, passed on by name" in text
    assert "notes" not in text
    assert lines[-3:] == [
        "  flavors",
        "    a-server-with-a-name  Its title",
        "    b                     B",
    ]
    assert "built in, or `price:` in the policy" in provider_details(PLAYED, 100)


def test_features_are_told_in_one_order():
    told = features(frozenset({"reasoning", "image_urls", "images", "tools"}))
    assert told == "tools, images, images by address, reasoning"


def test_foreign_words_stay_on_their_line():
    row = replace(HOSTED, title="a\nb", notes={"n\n": "::error::x"})
    assert provider_details(row, 100).splitlines()[0] == "acme: a b"
    assert len(provider_table([row]).splitlines()) == 4
