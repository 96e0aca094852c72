"""Funnelhouse: the marketing and sales KPI warehouse that a company runs itself."""
