from lens_gate.render.listing import provider_listing


def test_each_provider_says_what_it_needs():
    text = provider_listing(
        [
            ("a", "A", "hosted", "https://a.example", "A_KEY", True, frozenset({"top_p", "seed"})),
            ("b", "B", "self-hosted", None, None, False, None),
            ("c", "C", "simulated", None, None, False, None),
        ]
    )
    a, b, c = text.split("\n\n")
    assert a.splitlines() == [
        "a: A (hosted)",
        "  base_url  https://a.example",
        "  key       A_KEY",
        "  price     by the price table",
        "  params    seed, top_p",
    ]
    assert "must be given" in b
    assert "`price:` in the policy" in b
    assert "any, passed on by name" in b
    assert "built in" in c
    assert "started by the gate" in c
