{{/* A set of members. Called with a dict: root, name, role, replicas, offset. */}}
{{- define "zoorum.members" -}}
{{- with .root -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $.name }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "zoorum.labels" . | nindent 4 }}
    app.kubernetes.io/component: {{ $.role }}
spec:
  serviceName: {{ include "zoorum.fullname" . }}-headless
  replicas: {{ $.replicas }}
  # All at once: the first is ready only when a second one is there. Updates go one by one nevertheless.
  podManagementPolicy: Parallel
  updateStrategy:
    type: RollingUpdate
  selector:
    matchLabels:
      {{- include "zoorum.selector" . | nindent 6 }}
      app.kubernetes.io/component: {{ $.role }}
  template:
    metadata:
      labels:
        {{- include "zoorum.labels" . | nindent 8 }}
        app.kubernetes.io/component: {{ $.role }}
        {{- with .Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/config: {{ include (print .Template.BasePath "/configmap.yaml") . | sha256sum }}
        {{- if and .Values.metrics.enabled .Values.metrics.annotations }}
        prometheus.io/scrape: "true"
        prometheus.io/port: "7000"
        prometheus.io/path: /metrics
        {{- end }}
        {{- with .Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
      {{- with .Values.image.pullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 1000
        runAsGroup: 1000
        fsGroup: 1000
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile:
          type: RuntimeDefault
      affinity:
        podAntiAffinity:
          {{- if eq .Values.antiAffinity "required" }}
          requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: kubernetes.io/hostname
              labelSelector:
                matchLabels:
                  {{- include "zoorum.selector" . | nindent 18 }}
                  app.kubernetes.io/component: {{ $.role }}
          {{- else }}
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: kubernetes.io/hostname
                labelSelector:
                  matchLabels:
                    {{- include "zoorum.selector" . | nindent 20 }}
                    app.kubernetes.io/component: {{ $.role }}
          {{- end }}
      {{- with .Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.topologySpreadConstraints }}
      topologySpreadConstraints:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: zookeeper
          image: {{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          envFrom:
            - configMapRef:
                name: {{ include "zoorum.fullname" . }}
          env:
            - name: ZOO_MY_ID_OFFSET
              value: {{ $.offset | quote }}
          ports:
            - name: client
              containerPort: 2181
            - name: quorum
              containerPort: 2888
            - name: election
              containerPort: 3888
            - name: admin
              containerPort: 8080
            {{- if .Values.metrics.enabled }}
            - name: metrics
              containerPort: 7000
            {{- end }}
          # A large history takes a while to read.
          startupProbe:
            httpGet:
              path: /livez
              port: admin
            periodSeconds: 5
            failureThreshold: 120
          livenessProbe:
            httpGet:
              path: /livez
              port: admin
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet:
              path: /readyz
              port: admin
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 2
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop:
                - ALL
          volumeMounts:
            - name: data
              mountPath: /data
            {{- if .Values.storage.log.enabled }}
            - name: datalog
              mountPath: /datalog
            {{- end }}
            - name: logs
              mountPath: /logs
      volumes:
        - name: logs
          emptyDir: {}
  volumeClaimTemplates:
    {{- include "zoorum.claim" (dict "name" "data" "storage" .Values.storage) | nindent 4 }}
    {{- if .Values.storage.log.enabled }}
    {{- include "zoorum.claim" (dict "name" "datalog" "storage" .Values.storage.log) | nindent 4 }}
    {{- end }}
{{- end -}}
{{- end -}}

{{- define "zoorum.claim" -}}
- metadata:
    name: {{ .name }}
  spec:
    accessModes:
      - ReadWriteOnce
    {{- with .storage.storageClassName }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .storage.size }}
{{- end -}}

{{/* A node that is drained takes one member with it, and waits with the next until that one serves again. */}}
{{- define "zoorum.budget" -}}
{{- with .root -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $.name }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "zoorum.labels" . | nindent 4 }}
    app.kubernetes.io/component: {{ $.role }}
spec:
  maxUnavailable: {{ .Values.disruptionBudget.maxUnavailable }}
  selector:
    matchLabels:
      {{- include "zoorum.selector" . | nindent 6 }}
      app.kubernetes.io/component: {{ $.role }}
{{- end -}}
{{- end -}}
