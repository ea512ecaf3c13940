# A pod that does no work. Context: this folder.
ARG BASE
FROM ${BASE}
COPY pod.py /
USER 65532:65532
ENTRYPOINT ["python3", "-I", "-S", "/pod.py"]
