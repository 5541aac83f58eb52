/*
 * Owns: the order of changes.
 * Invariant: only core 0 moves a change on, and each message goes over the lane that keeps their order.
 * Thread: the core's.
 * Does not know: what a step does on a core.
 *
 * The store executes what core 0 submits one after the other and answers in that order; core 0 tells of each as
 * its answer comes; the lanes between two cores keep their order. So every core hears of changes in the order
 * in which they became durable. That all have heard may come back over several lanes, in another order than it
 * happened in; so changes wait in line at core 0: none goes on, or home, before those that were told, or
 * answered, before it. So a change that does nothing new is over only after all before it, and of two changes
 * the last step of the first is told before that of the second.
 */
#include "app/app_private.h"

enum { CHANGE_MAGIC = 0x63686e67, CHANGE_CORE = 0 };

static void go_on(struct app *app, struct change *change);

static void finish(struct app *app, struct change *change)
{
	change->magic = 0;
	change->done(app, change);
}

static void go_home(struct app *app, struct change *change)
{
	if (change->origin == app->core)
		finish(app, change);
	else
		control_post(app, change->origin, change, CHANGE_OVER);
}

static void ask_store(struct app *app, struct change *change)
{
	change->request.context = (void *)(uintptr_t)cookie_of_pointer(COOKIE_CHANGE, change);
	app_submit(app, &change->request);
}

static void stand_in_line(struct app *app, struct change *change)
{
	change->next = NULL;
	change->is_ready = false;
	if (app->changes == NULL)
		app->changes = change;
	else
		app->changes_last->next = change;
	app->changes_last = change;
}

/* A change may go on; so may those behind it that wait for nothing else. */
static void move_on(struct app *app, struct change *change)
{
	change->is_ready = true;
	/* What goes on may be done with the next step at once, and come here again: no deeper. */
	if (app->is_moving_on)
		return;
	app->is_moving_on = true;
	while (app->changes != NULL && app->changes->is_ready) {
		struct change *first = app->changes;
		app->changes = first->next;
		go_on(app, first);
	}
	app->is_moving_on = false;
}

static void step_done(struct app *app, struct change *change)
{
	change->steps++;
	move_on(app, change);
}

/* Does the step here, and tells core 0 when this was the last core. */
static void do_part(struct app *app, struct change *change)
{
	hear(app, *change->steps, &change->request);
	if (atomic_fetch_sub_explicit(&change->waiting, 1, memory_order_acq_rel) != 1)
		return;
	if (app->core == CHANGE_CORE)
		step_done(app, change);
	else
		control_post(app, CHANGE_CORE, change, CHANGE_HEARD);
}

static void tell_all(struct app *app, struct change *change)
{
	atomic_store_explicit(&change->waiting, app->shared->cores, memory_order_relaxed);
	stand_in_line(app, change);
	for (uint32_t core = 0; core < app->shared->cores; core++)
		if (core != app->core)
			control_post(app, core, change, CHANGE_TOLD);
	do_part(app, change);
}

static void go_on(struct app *app, struct change *change)
{
	check(app->core == CHANGE_CORE);
	switch (*change->steps) {
	case CHANGE_END:
		go_home(app, change);
		return;
	case CHANGE_STORE:
		ask_store(app, change);
		return;
	case CHANGE_PAUSE:
		stand_in_line(app, change);
		step_done(app, change);
		return;
	default:
		tell_all(app, change);
	}
}

void change_stored(struct app *app, struct change *change)
{
	check_object(change, CHANGE_MAGIC);
	static const enum change_step nothing[] = { CHANGE_END };
	if (change->request.status == 0)
		change->steps++;
	else
		change->steps = change->otherwise != NULL ? change->otherwise : nothing;
	stand_in_line(app, change);
	move_on(app, change);
}

void change_submit(struct app *app, struct change *change)
{
	change->magic = CHANGE_MAGIC;
	change->origin = app->core;
	change->request.status = 0;
	if (app->core == CHANGE_CORE)
		go_on(app, change);
	else
		control_post(app, CHANGE_CORE, change, CHANGE_SUBMITTED);
}

void change_arrive(struct app *app, struct change *change, enum change_arrival arrival)
{
	check_object(change, CHANGE_MAGIC);
	switch (arrival) {
	case CHANGE_SUBMITTED:
		go_on(app, change);
		return;
	case CHANGE_TOLD:
		do_part(app, change);
		return;
	case CHANGE_HEARD:
		step_done(app, change);
		return;
	case CHANGE_OVER:
		finish(app, change);
		return;
	}
	check(!"change arrival");
}
