DROP INDEX rsvp_event_offer;
