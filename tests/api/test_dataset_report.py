"""What a preparation found, and the search for rows, over HTTP."""

from tests.api.outputs import prepared_dataset
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, Caller


def test_the_report_is_json_or_a_page_and_the_dataset_links_to_it(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)
    path = dataset["links"]["report"]

    found, page = caller.get(path), caller.get(path, params={"format": "html"})

    assert found.json()["kept"] == dataset["report"]["kept"]
    assert [each["report"] for each in caller.get("/v1/datasets").json()["data"]] == [None]
    assert found.json()["leakage"] == {**found.json()["leakage"], "leaks": [], "allowed": False}
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-disposition"].startswith("attachment")
    assert page.headers["content-security-policy"] == "sandbox"
    assert dataset["id"] in page.text


def test_a_report_that_is_not_ready_or_not_ours_is_refused(caller: Caller) -> None:
    dataset = caller.submit("prepare", PREPARE)["outputs"]["dataset"]

    problem_of(caller.get(f"/v1/datasets/{dataset}/report"), 409, "not_ready")
    unknown = f"{dataset[:-4]}zzzz"
    problem_of(caller.get(f"/v1/datasets/{unknown}/report"), 404, "dataset_not_found")


def test_rows_are_found_by_word_source_row_label_and_group(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)
    path = f"/v1/datasets/{dataset['id']}/rows"
    everything = caller.get(path, params={"limit": 100}).json()["data"]
    one = everything[0]
    word = max(one["text"].split(), key=len)

    for params in (
        {"search": word.upper()},
        {"row": one["row"]},
        {"group": one["group"]},
        {"search": word, "split": one["split"], "row": one["row"]},
    ):
        found = caller.get(path, params=params).json()["data"]
        assert one["id"] in {row["id"] for row in found}
        assert len(found) < len(everything)
    assert caller.get(path, params={"label": "no such label"}).json()["data"] == []
    assert caller.get(path, params={"search": "no such words"}).json()["data"] == []


def test_a_search_is_paged_like_all_rows(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)
    path = f"/v1/datasets/{dataset['id']}/rows"
    every = caller.get(path, params={"search": "e", "limit": 100}).json()["data"]

    first = caller.get(path, params={"search": "e", "limit": 3}).json()
    second = caller.get(
        path, params={"search": "e", "limit": 3, "after": first["data"][-1]["id"]}
    ).json()

    assert first["has_more"]
    assert [*first["data"], *second["data"]] == every[:6]
