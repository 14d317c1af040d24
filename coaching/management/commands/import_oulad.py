"""Reads Open University tables and sends them as xAPI statements through the record store's endpoint."""

import time
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from coaching.demo.endpoint import Endpoint, Refused
from coaching.demo.importing import prepare, send
from coaching.demo.oulad import OuladFault, open_tables


class Command(BaseCommand):
    help = "Imports runs of the Open University Learning Analytics Dataset. A second import changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="holds the tables, as Parquet or CSV")
        parser.add_argument("--presentation", nargs="+", required=True, metavar="2013J")
        parser.add_argument("--module", nargs="+", default=[], metavar="AAA")
        parser.add_argument(
            "--shift-to",
            type=date.fromisoformat,
            metavar="DATE",
            help="move all dates by whole weeks so that each run starts on this day or up to six days before",
        )
        parser.add_argument(
            "--people-only",
            action="store_true",
            help="courses, plans, people and what is known of their enrolments; sends no statements",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            tables = open_tables(options["directory"])
            runs = tables.select(presentations=options["presentation"], modules=options["module"])
        except OuladFault as fault:
            raise CommandError(str(fault)) from fault
        if options["people_only"]:
            for run in runs:
                imported = prepare(tables, run, starts_by=options["shift_to"], now=now)
                self.stdout.write(f"{run.module} {run.presentation}: {len(imported.learners)} people.")
            return
        endpoint = Endpoint("Open University import", now)
        began = time.perf_counter()
        try:
            for run in runs:
                imported = prepare(tables, run, starts_by=options["shift_to"], now=now)
                # Of a run that still goes on, the days to come have not been learned yet: sent, they would wait in the
                # quarantine.
                to_day = imported.writer.day_of(now.date()) - 1
                with tqdm(
                    total=tables.count_clicks(run, to_day=to_day),
                    desc=f"{run.module} {run.presentation}",
                    unit=" statements",
                ) as bar:
                    send(tables, imported, endpoint, to_day=to_day, progress=bar.update)
        except Refused as fault:
            raise CommandError(str(fault)) from fault
        seconds = time.perf_counter() - began
        totals = endpoint.totals
        self.stdout.write(
            f"{totals.sent} statements in {seconds:.1f} s ({totals.sent / max(seconds, 0.001):.0f}/s): "
            f"{totals.stored} stored, {totals.duplicates} known already, {totals.quarantined} in quarantine."
        )
        if totals.sent and totals.stored == 0:
            self.stdout.write("Everything was here already; nothing has changed.")
