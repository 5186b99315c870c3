"""What Kubernetes would be given: the plain manifests, and the chart as Helm itself renders it.

    manifests.py plain                      the objects of deploy/kubernetes
    manifests.py chart NAME NAMESPACE VALUES    those of the chart, with these values (JSON)
    manifests.py lint                       what Helm complains of

Prints JSON. Every object must be what the schema of its kind says, strictly, in each of the releases below.
"""

import json
import sys
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml

RELEASES = ("1.27", "1.32", "1.37")
DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
CHART = DEPLOY / "helm" / "zoorum"


def plain():
    return [path.read_text() for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))]


def chart(name, namespace, values):
    with helm.Chart.load(str(CHART)) as loaded:
        rendered = loaded.render(json.loads(values), name=name, namespace=namespace)
    return [text for path, text in sorted(rendered.items()) if path.endswith(".yaml")]


def objects(texts):
    for text in texts:
        for found in yaml.safe_load_all(text):
            if found is None:
                continue
            for release in RELEASES:
                kubernetes_validate.validate(found, release, strict=True)
            yield found


def main(what, *arguments):
    if what == "lint":
        print(json.dumps(helm.lint(str(CHART))))
    else:
        print(json.dumps(list(objects({"plain": plain, "chart": chart}[what](*arguments)))))


main(*sys.argv[1:])
