{{/*
One of the sandbox's two workloads: a Service and a StatefulSet of one pod.
Called with a dict: context, name, args, secrets (the keys that it is given), ports (name → number), main (the
port that it opens last), resources.
*/}}
{{- define "sparkify.sandboxWorkload" -}}
{{- $ := .context -}}
{{- $persistence := $.Values.sandbox.persistence -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ $.Release.Name }}-{{ .name }}
  labels: {{- include "sparkify.labels" (list $ .name) | nindent 4 }}
spec:
  selector: {{- include "sparkify.selector" (list $ .name) | nindent 4 }}
  ports:
    {{- range $port, $number := .ports }}
    - {name: {{ $port }}, port: {{ $number }}, targetPort: {{ $port }}}
    {{- end }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $.Release.Name }}-{{ .name }}
  labels: {{- include "sparkify.labels" (list $ .name) | nindent 4 }}
spec:
  replicas: 1
  serviceName: {{ $.Release.Name }}-{{ .name }}
  # Without a volume a restart loses the data, so an upgrade leaves the pod alone: delete it for the change to come.
  updateStrategy: {type: {{ $persistence.enabled | ternary "RollingUpdate" "OnDelete" }}}
  selector:
    matchLabels: {{- include "sparkify.selector" (list $ .name) | nindent 6 }}
  template:
    metadata:
      labels: {{- include "sparkify.selector" (list $ .name) | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      securityContext:
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532 # a volume belongs to it, and it may read its secrets
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: {{ .name }}
          image: {{ $.Values.sandbox.image }}
          imagePullPolicy: IfNotPresent
          args: {{- toYaml .args | nindent 12 }}
          ports:
            {{- range $port, $number := .ports }}
            - {name: {{ $port }}, containerPort: {{ $number }}}
            {{- end }}
          # It listens when it is ready. A first start makes the database.
          startupProbe:
            tcpSocket: {port: {{ .main }}}
            periodSeconds: 2
            failureThreshold: 60
          readinessProbe:
            tcpSocket: {port: {{ .main }}}
            periodSeconds: 5
          livenessProbe:
            tcpSocket: {port: {{ .main }}}
            periodSeconds: 20
            timeoutSeconds: 10
            failureThreshold: 6
          securityContext: {{- include "sparkify.containerSecurity" $ | nindent 12 }}
          resources: {{- toYaml .resources | nindent 12 }}
          volumeMounts:
            - {name: state, mountPath: /state}
            - {name: tmp, mountPath: /tmp}
            - {name: secrets, mountPath: /run/secrets/sandbox, readOnly: true}
      volumes:
        - name: secrets
          secret:
            secretName: sparkify-sandbox
            defaultMode: 0440
            items:
              {{- range .secrets }}
              - {key: {{ . }}, path: {{ . }}}
              {{- end }}
        - name: tmp
          emptyDir: {}
        {{- if not $persistence.enabled }}
        - name: state
          emptyDir: {}
        {{- end }}
  {{- if $persistence.enabled }}
  volumeClaimTemplates:
    - metadata:
        name: state
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $persistence.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests: {storage: {{ $persistence.size }}}
  # `helm uninstall` leaves no volume behind.
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  {{- end }}
{{- end }}
