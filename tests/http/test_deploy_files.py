"""test_deploy_files.py - deploy/: the compose file against the Compose Specification's schema, and that its files, the
provisioning of Grafana and the Dockerfile agree about names, ports, users and versions."""

import copy
import hashlib
import json
import pathlib
import re
import stat
import subprocess

import jsonschema
import pytest
import yaml
from support import BINARY, ROOT, SLOW
from tokens import bearer

DEPLOY = ROOT / "deploy"
SCHEMA_TEXT = (ROOT / "tests" / "deploy" / "compose-spec.json").read_bytes()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
GRAFANA = SERVICES["grafana"]["environment"]
PROVISIONING = {path.relative_to(DEPLOY / "grafana/provisioning").as_posix(): yaml.safe_load(path.read_text())
                for path in sorted((DEPLOY / "grafana/provisioning").rglob("*.*"))}
SOURCES = {source["uid"]: source for source in PROVISIONING["datasources/maskmeter.yaml"]["datasources"]}
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in (DEPLOY / "grafana/dashboards").glob("*.json")}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def complaints(document):
    validator = jsonschema.Draft7Validator(json.loads(SCHEMA_TEXT))
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(document)]


def mounts(service):
    """{path in the container: what is mounted there}"""
    out = {}
    for volume in SERVICES[service]["volumes"]:
        source, target = volume.split(":")[:2]
        out[target] = source
    return out


def test_compose_file_follows_the_specification():
    listed = (ROOT / "tests/deploy/SOURCES.md").read_text()
    assert hashlib.sha256(SCHEMA_TEXT).hexdigest() in listed
    assert complaints(COMPOSE) == []
    wrong = copy.deepcopy(COMPOSE)
    wrong["services"]["maskmeter"]["readonly"] = True
    wrong["services"]["grafana"]["healthcheck"]["interval"] = 10
    assert len(complaints(wrong)) == 2


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_confined(name):
    service = SERVICES[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"])
    assert service["pids_limit"] <= 512
    if name != "tokens":  # which runs once, and serves nobody
        assert service["healthcheck"]["test"][0] == "CMD"
        assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in service["ports"])
    for target, source in mounts(name).items():
        if source.startswith("."):
            assert (DEPLOY / source).is_dir(), source
            assert f"{source}:{target}:ro" in service["volumes"]
        else:
            assert source in COMPOSE["volumes"]
    for other, how in service.get("depends_on", {}).items():
        assert how == {"condition": "service_completed_successfully" if other == "tokens" else "service_healthy"}
    assert service.get("network_mode", "none") == "none" and not {"privileged", "pid", "cap_add", "devices"} & set(service)


def test_compose_file_and_dockerfile_agree():
    service = SERVICES["maskmeter"]
    assert (DEPLOY / service["build"]).resolve() == ROOT
    assert f"\nUSER {service['user']}\n" in DOCKERFILE
    version = re.search(r'#define MM_VERSION "([^"]+)"', (ROOT / "lib/maskmeter.h").read_text()).group(1)
    assert service["image"] == f"maskmeter:{version}" and f'image.version="{version}"' in DOCKERFILE
    assert re.search(r"\nVOLUME (.*)\n", DOCKERFILE).group(1) in mounts("maskmeter")
    health = re.search(r"\nHEALTHCHECK .* CMD (.*)\n", DOCKERFILE).group(1)
    assert ["CMD", *json.loads(health)] == service["healthcheck"]["test"]
    port = re.search(r"\nEXPOSE (\d+)\n", DOCKERFILE).group(1)
    assert service["command"] == ["serve", "--listen", f"0.0.0.0:{port}"] and "insecure" not in DOCKERFILE
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_the_three_find_each_other():
    scraped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in scraped}
    assert targets == {"maskmeter": ["maskmeter:8080"], "prometheus": ["localhost:9090"]}
    assert (GRAFANA["MASKMETER_URL"], GRAFANA["PROMETHEUS_URL"]) == ("http://maskmeter:8080", "http://prometheus:9090")
    folder = pathlib.PurePosixPath(SERVICES["prometheus"]["command"][0].split("=")[1])
    assert (DEPLOY / mounts("prometheus")[str(folder.parent)] / folder.name).exists()


def test_tokens_are_made_once_each_for_its_reader(start, tmp_path):
    """The compose file's own script, by the shell: the server that then starts beyond loopback takes both tokens."""
    service = SERVICES["tokens"]
    assert service["user"] == SERVICES["maskmeter"]["user"] and service["entrypoint"] == ["sh", "-eufc"]
    made, data = tmp_path / "tokens", tmp_path / "data"
    made.mkdir()
    data.mkdir()
    script = service["command"][0].replace("$$", "$").replace("/etc/maskmeter", str(made))
    env = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "MASKMETER_DATA": str(data)}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "maskmeter").symlink_to(BINARY)
    texts = []
    for _ in range(2):
        subprocess.run(["sh", "-eufc", script], env=env, check=True, timeout=60 * SLOW, capture_output=True)
        texts.append({file.name: file.read_text() for file in made.iterdir()})
    assert texts[0] == texts[1] and set(texts[0]) == {"grafana", "prometheus"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in made.iterdir()} == {0o640}
    server = start("--listen", "0.0.0.0:0", data=data)
    for name, path in (("grafana", "/v1/grafana/variables/runs"), ("prometheus", "/metrics")):
        token = texts[0][name].strip()
        assert server.request("GET", path, headers=bearer(token)).status_code == 200
        assert server.request("DELETE", "/v1/runs/a", headers=bearer(token)).status_code == 403
    assert server.get("/metrics").status_code == 401


def test_tokens_reach_their_readers():
    """Each reader mounts the files, is of their group, and names its own."""
    owner = SERVICES["tokens"]["user"].split(":")[1]
    folder = next(target for target, source in mounts("tokens").items() if source == "tokens")
    for name, text in (("grafana", SOURCES["maskmeter"]["secureJsonData"]["bearerToken"]),
                       ("prometheus", (DEPLOY / "prometheus/prometheus.yaml").read_text())):
        assert mounts(name)[folder] == "tokens" and SERVICES[name]["group_add"] == [owner]
        assert re.search(rf"(credentials_file: |__file{{){folder}/{name}\b", text)
    assert f"mkdir -m 0750 {folder}" in DOCKERFILE, "a volume takes owner and mode from the image"


def test_grafana_is_given_what_its_provisioning_needs():
    asked = set(re.findall(r"\$\{(\w+)\}", json.dumps([PROVISIONING["datasources/maskmeter.yaml"],
                                                       PROVISIONING["dashboards/maskmeter.yaml"]])))
    assert asked == {"MASKMETER_URL", "PROMETHEUS_URL"} and asked <= set(GRAFANA)
    provider = PROVISIONING["dashboards/maskmeter.yaml"]["providers"][0]
    assert mounts("grafana")[provider["options"]["path"]] == "./grafana/dashboards"
    assert mounts("grafana")["/etc/grafana/provisioning"] == "./grafana/provisioning"
    home = pathlib.PurePosixPath(GRAFANA["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"] and home.stem in DASHBOARDS
    assert set(PROVISIONING) == {"alerting/maskmeter.json", "dashboards/maskmeter.yaml", "datasources/maskmeter.yaml"}


def test_grafana_knows_the_data_sources():
    plugin, version = GRAFANA["GF_PLUGINS_PREINSTALL_SYNC"].split("@")
    assert SOURCES["maskmeter"]["type"] == plugin and re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert SOURCES["maskmeter"]["jsonData"]["customHealthCheckUrl"] == "/readyz"
    kinds = {source["type"] for source in SOURCES.values()}
    for board in DASHBOARDS.values():
        assert board["templating"]["list"][0]["query"] in kinds
    for group in PROVISIONING["alerting/maskmeter.json"]["groups"]:
        assert group["folder"] == PROVISIONING["dashboards/maskmeter.yaml"]["providers"][0]["folder"]
        for rule in group["rules"]:
            assert {step["datasourceUid"] for step in rule["data"]} == {"maskmeter", "__expr__"}


def test_grafana_is_the_one_that_the_dashboards_are_tested_with():
    packages = json.loads((ROOT / "tests/grafana/package.json").read_text())["dependencies"]
    assert SERVICES["grafana"]["image"] == f"grafana/grafana:{packages['@grafana/data']}"
    assert packages["@grafana/data"] == packages["@grafana/schema"]
