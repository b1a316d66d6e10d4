{{- /* What every object begins with: (list $ kind name namespaced). */ -}}
{{- define "access.head" -}}
{{- $root := index . 0 -}}
apiVersion: roster.dev/v1alpha1
kind: {{ index . 1 }}
metadata:
  name: {{ index . 2 }}
  {{- if index . 3 }}
  namespace: {{ $root.Release.Namespace }}
  {{- end }}
  labels:
    helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
    app.kubernetes.io/instance: {{ $root.Release.Name }}
    app.kubernetes.io/managed-by: {{ $root.Release.Service }}
    app.kubernetes.io/part-of: roster
    {{- with $root.Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $root.Values.commonAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* Two objects of one kind and name would be one, of one account only: (list $taken kind name where remedy). */ -}}
{{- define "access.claim" -}}
{{- $taken := index . 0 -}}
{{- $key := printf "%s %q" (index . 1) (index . 2) -}}
{{- if hasKey $taken $key -}}
{{- fail (printf "%s: a %s is there already, as %s; %s" (index . 3) $key (get $taken $key) (index . 4)) -}}
{{- end -}}
{{- $_ := set $taken $key (index . 3) -}}
{{- end -}}

{{- /* An object's name from account and address: lower case, everything else a dash, and a hash where another address could
come to the same. */ -}}
{{- define "access.member" -}}
{{- $plain := printf "%s-%s" (index . 0) (index . 1) | lower -}}
{{- $name := regexReplaceAll "[^a-z0-9]+" $plain "-" | trimSuffix "-" -}}
{{- if or (gt (len $name) 63) (not (regexMatch "^[a-z0-9]+@[a-z0-9.]+$" (index . 1 | lower))) -}}
{{- printf "%s-%s" ($name | trunc 50 | trimSuffix "-") (sha256sum $plain | trunc 8) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}
