{{/* Rules of NetworkPolicies that more than one of them has. */}}

{{- define "sparkify.blocks" -}}
{{- range $i, $cidr := . }}{{ if $i }}
{{ end }}- ipBlock: {cidr: {{ $cidr }}}
{{- end }}
{{- end }}

{{- define "sparkify.toDns" -}}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .Values.networkPolicies.dnsNamespace }}}}
    {{- include "sparkify.blocks" .Values.networkPolicies.dnsCidrs | nindent 4 }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}

{{- define "sparkify.toMail" -}}
- to: {{- include "sparkify.blocks" .Values.networkPolicies.httpsCidrs | nindent 4 }}
  ports:
    - {protocol: TCP, port: {{ .Values.networkPolicies.smtpPort }}}
{{- end }}

{{/* S3, STS and the Kubernetes API; and where AWS credentials come from. */}}
{{- define "sparkify.toHttps" -}}
- to: {{- include "sparkify.blocks" .Values.networkPolicies.httpsCidrs | nindent 4 }}
  ports:
    {{- range .Values.networkPolicies.httpsPorts }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- if .Values.networkPolicies.podIdentityAgent }}
- to:
    - ipBlock: {cidr: 169.254.170.23/32}
  ports:
    - {protocol: TCP, port: 80}
{{- end }}
{{- end }}
