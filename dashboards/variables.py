"""The variables at the top of the boards."""

from __future__ import annotations

from dashboards import series
from dashboards.spec import Variable

__all__ = ["INSTANCE", "JAEGER", "MODEL", "POOL", "SERVICE", "SOURCE"]

SOURCE = Variable(
    name="datasource",
    label="Prometheus",
    description="The Prometheus that the collector's numbers go to.",
    source="prometheus",
)
JAEGER = Variable(
    name="jaeger",
    label="Jaeger",
    description="The Jaeger that a click on a latency looks for traces in.",
    source="jaeger",
)
SERVICE = Variable(
    name="service",
    label="Service",
    description="service.name of the programs that use the client.",
    query=f"label_values({series.MAX}, {series.SERVICE})",
)
INSTANCE = Variable(
    name="instance",
    label="Process",
    description="service.instance.id: one for each process.",
    query=f'label_values({series.MAX}{{{series.SERVICE}=~"$service"}}, {series.INSTANCE})',
)
POOL = Variable(
    name="pool",
    label="Pool",
    description="Name of the pool: the option pool-name.",
    query=f'label_values({series.MAX}{{{series.SERVICE}=~"$service"}}, {series.POOL})',
)
MODEL = Variable(
    name="model",
    label="Model",
    description="Model that is asked. All leaves out requests that name none, such as those for the server's health.",
    query=f'label_values({series.DURATION}_count{{{series.SERVICE}=~"$service",{series.MODEL}!=""}}, {series.MODEL})',
    everything=".+",
)
