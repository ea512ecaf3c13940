{{/*
A worker's pod as the DAG makes it: the same settings, rights and mounts. Called with (list . args env), where args
are the command line and env are further variables, or an empty list.
*/}}
{{- define "sparkify.workerPod" -}}
{{- $ := index . 0 -}}
restartPolicy: Never
serviceAccountName: sparkify-worker
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsUser: 65532 # the image's
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
containers:
  - name: worker
    image: {{ $.Values.global.worker.image }}
    imagePullPolicy: IfNotPresent
    args: {{- toYaml (index . 1) | nindent 6 }}
    {{- with index . 2 }}
    env: {{- toYaml . | nindent 6 }}
    {{- end }}
    envFrom:
      - configMapRef: {name: sparkify-worker}
      - secretRef: {name: sparkify-worker}
    terminationMessagePolicy: FallbackToLogsOnError
    securityContext: {{- include "sparkify.containerSecurity" $ | nindent 6 }}
    resources:
      requests: {cpu: 100m, memory: 256Mi}
      limits: {memory: 512Mi}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: ca, mountPath: /etc/sparkify/ca, readOnly: true}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 1Gi}
  - name: ca
    configMap: {name: sparkify-worker-ca, optional: true}
{{- end }}
