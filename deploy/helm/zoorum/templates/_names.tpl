{{/* What everything of this release is called. */}}
{{- define "zoorum.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What its objects are found by. */}}
{{- define "zoorum.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "zoorum.labels" -}}
{{ include "zoorum.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* The server.N lines of all members, as the words that ZOO_SERVERS takes. */}}
{{- define "zoorum.servers" -}}
{{- $name := include "zoorum.fullname" . -}}
{{- $domain := printf "%s-headless.%s.svc.%s" $name .Release.Namespace .Values.clusterDomain -}}
{{- range $ordinal := until (int .Values.voters) -}}
{{- printf "server.%d=%s-%d.%s:2888:3888;2181 " (add1 $ordinal) $name $ordinal $domain -}}
{{- end -}}
{{- $offset := int .Values.observerIdOffset -}}
{{- range $ordinal := until (int .Values.observers) -}}
{{- printf "server.%d=%s-observer-%d.%s:2888:3888:observer;2181 " (add $ordinal $offset) $name $ordinal $domain -}}
{{- end -}}
{{- end -}}

{{/* What the entry point makes zoo.cfg of. A pod listens before its own name can be looked up. */}}
{{- define "zoorum.extra" -}}
quorumListenOnAllIPs=true
{{- if .Values.metrics.enabled }} metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider metricsProvider.httpPort=7000
{{- end -}}
{{- range $key, $value := .Values.config.extra }} {{ $key }}={{ $value }}
{{- end -}}
{{- end -}}
