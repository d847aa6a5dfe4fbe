from services.cli import steps


def test_steps_are_read_as_manifests_spell_them(capsys):
    steps.show(
        [
            {"op": "filter", "condition": {"column": "h", "op": "ge", "value": {"$param": "height"}}},
            {"op": "reproject", "crs": "EPSG:3857"},
            {"op": "repair"},
        ]
    )
    assert capsys.readouterr().out.splitlines() == [
        '1. filter  condition = {"column": "h", "op": "ge", "value": "$height"}',
        "2. reproject  crs = EPSG:3857",
        "3. repair",
    ]


def test_no_step_is_said(capsys):
    steps.show(())
    assert capsys.readouterr().out == "No step: the data stays as it is.\n"


def test_policies_of_several_levels_are_shown_as_they_hold():
    file = {"on_change": {"crs": "allow"}, "max_set_aside": 2}
    batch = {"on_bad_value": "null", "on_change": {"crs": "warn", "kind": "warn"}}
    assert steps.policies(file, batch) == 'on_bad_value = null, max_set_aside = 2, on_change = {"crs": "allow", "kind": "warn"}'
