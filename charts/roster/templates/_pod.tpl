{{- /* The pod, the same in a Deployment and a StatefulSet. */ -}}
{{- define "roster.pod" -}}
{{- $set := dict "http" "http" "store-namespace" "the release's namespace" "sqlite-dir" "sqlite.persistence" "max-concurrent-accounts" "controller.maxConcurrentAccounts" "shards" "controller.shards" "log" "controller.logLevel" "cluster-id" "controller.clusterId" }}
{{- range $arg := .Values.controller.extraArgs }}
{{- with get $set (trimPrefix "--" $arg | splitList "=" | first) }}
{{- fail (printf "controller.extraArgs: %s is set already, by %s" $arg .) }}
{{- end }}
{{- end }}
{{- range $mount := .Values.controller.extraVolumeMounts }}
{{- $has := false }}
{{- range $.Values.controller.extraVolumes }}{{ if eq .name $mount.name }}{{ $has = true }}{{ end }}{{ end }}
{{- if not $has }}
{{- fail (printf "controller.extraVolumeMounts: there is no %s in controller.extraVolumes" $mount.name) }}
{{- end }}
{{- end -}}
metadata:
  labels:
    {{- include "roster.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: controller
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "roster.serviceAccountName" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 2 }}
  {{- end }}
  securityContext: {{- toYaml .Values.podSecurityContext | nindent 4 }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  containers:
  - name: controller
    image: {{ include "roster.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args:
    - controller
    - --http={{ .Values.http.address }}:{{ .Values.http.port }}
    - --store-namespace={{ .Release.Namespace }}
    - --sqlite-dir=/var/lib/roster
    - --max-concurrent-accounts={{ .Values.controller.maxConcurrentAccounts }}
    - --shards={{ .Values.controller.shards }}
    - --log={{ .Values.controller.logLevel }}
    {{- with .Values.controller.clusterId }}
    - --cluster-id={{ . }}
    {{- end }}
    {{- if .Values.webhook.enabled }}
    - --enforce
    - --enforcement-floor={{ .Values.webhook.enforcementFloor }}
    {{- with .Values.webhook.memberPrefix }}
    - {{ printf "--member-prefix=%s" . | quote }}
    {{- end }}
    {{- end }}
    {{- with .Values.controller.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .Values.controller.extraEnv }}
    env: {{- toYaml . | nindent 4 }}
    {{- end }}
    ports:
    - {name: http, containerPort: {{ .Values.http.port }}, protocol: TCP}
    # A later webhook and invitation page listen on ports of their own here.
    livenessProbe:
      httpGet: {path: /healthz, port: http}
      {{- toYaml .Values.livenessProbe | nindent 6 }}
    readinessProbe:
      httpGet: {path: /readyz, port: http}
      {{- toYaml .Values.readinessProbe | nindent 6 }}
    resources: {{- toYaml .Values.resources | nindent 6 }}
    securityContext: {{- toYaml .Values.securityContext | nindent 6 }}
    # What it said last is in `kubectl describe pod`, should it not start.
    terminationMessagePolicy: FallbackToLogsOnError
    {{- if or .Values.sqlite.enabled .Values.controller.extraVolumeMounts }}
    volumeMounts:
    {{- if .Values.sqlite.enabled }}
    - {name: stores, mountPath: /var/lib/roster}
    {{- end }}
    {{- with .Values.controller.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- end }}
  {{- $claimed := and .Values.sqlite.enabled .Values.sqlite.persistence.existingClaim }}
  {{- if or $claimed .Values.controller.extraVolumes }}
  volumes:
  {{- if $claimed }}
  - name: stores
    persistentVolumeClaim:
      claimName: {{ .Values.sqlite.persistence.existingClaim }}
  {{- end }}
  {{- with .Values.controller.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml .Values.topologySpreadConstraints | nindent 2 }}
  {{- else if not .Values.sqlite.enabled }}
  topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "roster.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- end }}
{{- end -}}
