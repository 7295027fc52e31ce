DROP INDEX rsvp_email;
DROP TABLE event_cover;
