{{/* The labels of each of our objects. Called with (list . "component"). */}}
{{- define "sparkify.labels" -}}
{{- $ := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
app.kubernetes.io/part-of: sparkify
{{ include "sparkify.selector" . }}
{{- end }}

{{/* The labels that select one component's pods. `release` is also on each of Airflow's pods. */}}
{{- define "sparkify.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/component: {{ index . 1 }}
release: {{ $.Release.Name }}
{{- end }}

{{/* The namespace of the worker pods. */}}
{{- define "sparkify.jobs" -}}
{{ .Values.global.worker.namespace }}
{{- end }}

{{/* How Airflow's chart begins the names of its objects, with useStandardNaming. */}}
{{- define "sparkify.airflow" -}}
{{- if contains "airflow" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-airflow{{ end }}
{{- end }}

{{- define "sparkify.airflowImage" -}}
{{- with .Values.airflow.images.airflow }}{{ .repository }}@{{ .digest }}{{ end }}
{{- end }}

{{/* What each container of ours may do: nothing. */}}
{{- define "sparkify.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What the sandbox says about itself, and the worker is told unless worker.settings say otherwise. */}}
{{- define "sparkify.sandboxSettings" -}}
SPARKIFY_WAREHOUSE_HOST: {{ .Release.Name }}-sandbox.{{ .Release.Namespace }}.svc
SPARKIFY_WAREHOUSE_PORT: "5439"
AWS_REGION: us-east-1
AWS_ENDPOINT_URL_S3: http://{{ .Release.Name }}-sandbox.{{ .Release.Namespace }}.svc:9000
AWS_ALLOW_HTTP: "true"
SSL_CERT_FILE: /etc/sparkify/ca/ca.crt
{{- end }}

{{/* The worker's settings, as YAML. */}}
{{- define "sparkify.settings" -}}
{{- $settings := dict -}}
{{- if .Values.sandbox.enabled }}{{ $settings = include "sparkify.sandboxSettings" . | fromYaml }}{{ end -}}
{{- if (.Values.airflow.statsd).enabled }}
  {{- $_ := set $settings "SPARKIFY_STATSD" (printf "%s-statsd.%s.svc:9125" (include "sparkify.airflow" .) .Release.Namespace) }}
{{- end -}}
{{- range $name, $value := .Values.worker.settings }}
  {{- /* As JSON, because a template would write the number 0.00001 as 1e-05. */ -}}
  {{- $_ := set $settings $name (kindIs "string" $value | ternary $value ($value | toJson)) }}
{{- end -}}
{{- toYaml $settings }}
{{- end }}

{{/* "true" where the worker logs in to the warehouse by IAM: no Secret holds a password. */}}
{{- define "sparkify.iam" -}}
{{- $settings := .Values.worker.settings -}}
{{- if or $settings.SPARKIFY_WAREHOUSE_WORKGROUP $settings.SPARKIFY_WAREHOUSE_CLUSTER }}true{{ end }}
{{- end }}

{{/* What notices need of the Secret sparkify-notices: its keys, as a JSON array. */}}
{{- define "sparkify.noticeKeys" -}}
{{- $keys := list -}}
{{- with .Values.global.notices -}}
{{- if .webhook }}{{ $keys = append $keys "webhook-url" }}{{ end -}}
{{- if .email }}{{ $keys = append $keys "smtp-connection" }}{{ end -}}
{{- end -}}
{{- toJson $keys }}
{{- end }}

{{/* "true" where the values are rendered for a cluster that can be asked; `helm template` has none. */}}
{{- define "sparkify.cluster" -}}
{{- if or (lookup "v1" "Namespace" "" .Release.Namespace) (lookup "v1" "Namespace" "" "kube-system") }}true{{ end }}
{{- end }}
