# Airflow with the graphs of the benchmarks beside the usual ones. Context: a folder of them.
ARG BASE
FROM ${BASE}
COPY *.py /opt/airflow/dags/
