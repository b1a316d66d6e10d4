{{- define "roster.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "roster.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "roster.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "roster.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "roster.selector" -}}
app.kubernetes.io/name: {{ include "roster.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "roster.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "roster.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: roster
{{- end -}}

{{- define "roster.serviceAccountName" -}}
{{- default (ternary (include "roster.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "roster.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- /* Names of everything cluster-wide carry the namespace: two releases may not share one. */ -}}
{{- define "roster.clusterName" -}}
{{- if eq (include "roster.fullname" .) .Release.Namespace -}}
{{ .Release.Namespace }}
{{- else -}}
{{ printf "%s-%s" .Release.Namespace (include "roster.fullname" .) | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "roster.webhookName" -}}
{{ include "roster.fullname" . }}-webhook
{{- end -}}

{{- define "roster.webhookSelector" -}}
app.kubernetes.io/name: {{ include "roster.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: webhook
{{- end -}}

{{- define "roster.webhookLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "roster.webhookSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: roster
{{- end -}}

{{- /* Secret with the webhook's certificate: an authority of its own, or cert-manager's certificate. */ -}}
{{- define "roster.webhookSecret" -}}
{{ include "roster.webhookName" . }}-{{ ternary "tls" "ca" .Values.webhook.certManager.enabled }}
{{- end -}}

{{- /* CEL: is the user an administrator of access, in the namespace of the object or, for what has none, in the cluster? */ -}}
{{- define "roster.administers" -}}
authorizer.group('roster.dev').resource('accounts').subresource('authority').namespace(request.?namespace.orValue('')).check('administer').allowed()
{{- end -}}

{{- /* CEL: does the user administer access in the whole cluster? */ -}}
{{- define "roster.administersAll" -}}
authorizer.group('roster.dev').resource('accounts').subresource('authority').check('administer').allowed()
{{- end -}}

{{- /* CEL: is the change nothing but the suspension of a Membership? */ -}}
{{- define "roster.suspends" -}}
request.resource.resource == 'memberships' && object != null && oldObject != null
      && object.?spec.?suspended.orValue(false) == true
      && object.spec.all(key, key == 'suspended' || oldObject.?spec[?key] == object.?spec[?key])
      && oldObject.spec.all(key, key == 'suspended' || object.?spec[?key].hasValue())
{{- end -}}
